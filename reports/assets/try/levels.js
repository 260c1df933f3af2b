// Ink from paper, step for step as helpers/data/pictures/levels.py does it; the reasons are given there.
(() => {
  "use strict";
  const { Blank, image, extremes, grown, hasSquare, localPaper } = window.Digits;
  const single = Math.fround;
  const LEAST_CONTRAST = 12;
  const LEAST_CLARITY = 5;
  const SURELY = 0.6;
  const LEAST_SIDE = 20;
  const LEAST_LIGHT = 50;
  const UNEVEN = 0.2;
  const GRAIN = 3.7;
  const SAMPLE = 2000;

  // The threshold that divides values best into two groups (Otsu).
  const otsu = (values) => {
    const [low, high] = extremes(values);
    if (!(high > low)) return low;
    const step = (high - low) / 255;
    const counts = new Float64Array(257);
    const width = single(step);
    for (let i = 0; i < values.length; i++) counts[Math.trunc(single(single(values[i] - low) / width))]++;
    const all = values.length;
    let whole = 0;
    for (let i = 0; i < 256; i++) whole += i * counts[i];
    const between = new Float64Array(256);
    let below = 0;
    let total = 0;
    let most = -1;
    for (let i = 0; i < 256; i++) {
      below += counts[i];
      total += i * counts[i];
      const variance = ((whole * below) / all - total) ** 2 / (below * (all - below));
      between[i] = Number.isFinite(variance) ? variance : -1;
      most = Math.max(most, between[i]);
    }
    const enough = (variance) => variance >= most * (1 - 1e-9);
    const first = between.findIndex(enough);
    const last = between.findLastIndex(enough);
    return low + step * (0.5 * (first + last) + 0.5);
  };

  // The value below which `share` of the others lie; of many values only every second, third and so on is looked at.
  const ranked = (values, share) => {
    const every = Math.max(1, Math.floor(values.length / SAMPLE));
    const sample = new Float32Array(Math.ceil(values.length / every));
    for (let i = 0; i < sample.length; i++) sample[i] = values[i * every];
    sample.sort();
    return sample[Math.trunc(share * (sample.length - 1) + 0.5)];
  };
  const spread = (values) => ranked(values, 0.95) - ranked(values, 0.05);

  const border = ({ height, width, values }) => {
    const ring = Math.max(1, Math.floor(Math.min(height, width) / 20));
    const outer = new Float32Array(height * width - Math.max(0, height - 2 * ring) * Math.max(0, width - 2 * ring));
    let n = 0;
    for (let y = 0; y < height; y++) {
      const within = y >= ring && y < height - ring;
      for (let x = 0; x < width; x++) {
        if (within && x === ring && x < width - ring) x = width - ring;
        outer[n++] = values[y * width + x];
      }
    }
    return outer;
  };

  // The share of values above a limit, and below one.
  const above = (values, limit) => {
    let n = 0;
    for (let i = 0; i < values.length; i++) if (values[i] > limit) n++;
    return n / values.length;
  };
  const below = (values, limit) => {
    let n = 0;
    for (let i = 0; i < values.length; i++) if (values[i] < limit) n++;
    return n / values.length;
  };

  // How much speaks for light paper: what surrounds the ink, and what covers more.
  const lightness = (grey) => {
    const [low, high] = extremes(grey.values);
    const quarter = (high - low) / 4;
    const values = border(grey);
    const surrounding = above(values, single(high - quarter)) - below(values, single(low + quarter));
    return surrounding + above(grey.values, single(otsu(grey.values))) - 0.5;
  };
  const findPolarity = (grey) => (lightness(grey) > 0 ? "dark-on-light" : "light-on-dark");
  const opposite = (polarity) => (polarity === "dark-on-light" ? "light-on-dark" : "dark-on-light");

  // The values up to a threshold, and those above it, each in their order.
  const divided = (values, threshold) => {
    const parts = [new Float32Array(values.length), new Float32Array(values.length)];
    const sizes = [0, 0];
    for (let i = 0; i < values.length; i++) {
      const part = values[i] > threshold ? 1 : 0;
      parts[part][sizes[part]++] = values[i];
    }
    return parts.map((part, i) => part.subarray(0, sizes[i]));
  };

  const measure = ({ values }) => {
    const threshold = single(otsu(values));
    const [lower, upper] = divided(values, threshold);
    const paper = ranked(lower, 0.25);
    const grain = (paper - ranked(lower, 0.1)) / 0.607;
    return { paper, grain, ink: upper.length ? ranked(upper, 0.9) : paper, threshold };
  };

  // Marks the pixels that have only marked ones within `reach`; what lies beyond the edges is not marked.
  const within = ({ height, width, seen }, reach) => {
    const others = grown({ height, width, seen: seen.map((is) => 1 - is) }, reach).seen;
    return others.map((is, at) => {
      const [y, x] = [Math.floor(at / width), at % width];
      return !is && y >= reach && x >= reach && y < height - reach && x < width - reach ? 1 : 0;
    });
  };

  // Whether the paper's level changes over the image.
  const isUneven = ({ height, width, values }, found) => {
    const ink = { height, width, seen: Uint8Array.from(values, (value) => (value > found.threshold ? 1 : 0)) };
    const reach = Math.min(height, width) >= 64 ? 2 : 1;
    const contrast = found.ink - found.paper;
    const near = grown(ink, reach).seen;
    const paper = values.filter((_, at) => !near[at]);
    if (paper.length > 0.05 * values.length && spread(paper) > UNEVEN * contrast) return true;
    const deep = within(ink, reach);
    const inside = values.filter((_, at) => deep[at]);
    if (!inside.length || ranked(inside, 0.98) - ranked(inside, 0.02) <= UNEVEN * contrast) return false;
    const longer = Math.max(height, width);
    const side = Math.floor(Math.min(height, width) >= 40 ? longer / 4 : (2 * longer) / 5) | 1;
    return hasSquare(ink, side);
  };

  // Ink above the local paper, as a share of the light there if ink is dark.
  const flattened = (ink, dark) => {
    const paper = localPaper(ink, Math.floor(Math.min(ink.height, ink.width) / 3) | 1).values;
    return image(ink.height, ink.width, ink.values.map((value, i) => {
      const light = dark ? Math.max(single(255 - paper[i]), LEAST_LIGHT) : 255;
      return single(value - paper[i]) * single(255 / light);
    }));
  };

  // How much ink each pixel holds, 0 to 1. Throws Blank where no ink stands out.
  const inkStrength = (grey, polarity) => {
    const [low, high] = extremes(grey.values);
    if (high - low < LEAST_CONTRAST) {
      throw new Blank(`blank: it is all ${high < 32 ? "black" : low > 223 ? "white" : "of one tone"}`);
    }
    const dark = polarity === "dark-on-light";
    let ink = dark ? image(grey.height, grey.width, grey.values.map((value) => 255 - value)) : grey;
    let found = measure(ink);
    if (Math.min(ink.height, ink.width) >= LEAST_SIDE && isUneven(ink, found)) {
      ink = flattened(ink, dark);
      found = measure(ink);
    }
    const contrast = found.ink - found.paper;
    if (contrast < LEAST_CONTRAST || contrast < LEAST_CLARITY * found.grain) {
      throw new Blank("blank: nothing on it stands out from the paper");
    }
    const floor = found.paper + GRAIN * found.grain;
    const full = single(found.ink - floor);
    const from = single(floor);
    const strength = ink.values.map((value) => Math.min(Math.max(single(value - from) / full, 0), 1));
    return image(ink.height, ink.width, strength);
  };

  Object.assign(window.Digits, { SURELY, findPolarity, inkStrength, lightness, opposite, ranked });
})();
