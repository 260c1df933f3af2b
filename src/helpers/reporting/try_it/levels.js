// Ink from paper, step for step as helpers/predict/levels.py does it; the reasons are given there.
(() => {
  "use strict";
  const { image, extremes, aboveLocalPaper } = window.Digits;
  const single = Math.fround;
  const LEAST_CONTRAST = 12;
  const LEAST_CLARITY = 5;
  const UNEVEN = 0.2;
  const GRAIN = 3.7;
  const SAMPLE = 2000;

  class Blank extends Error {}

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

  const findPolarity = (grey) => {
    const [low, high] = extremes(grey.values);
    const quarter = (high - low) / 4;
    const values = border(grey);
    const surrounding = above(values, single(high - quarter)) - below(values, single(low + quarter));
    const covering = above(grey.values, single(otsu(grey.values))) - 0.5;
    return surrounding + covering > 0 ? "dark-on-light" : "light-on-dark";
  };

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
    const [lower, upper] = divided(values, single(otsu(values)));
    const paper = ranked(lower, 0.25);
    const grain = (paper - ranked(lower, 0.1)) / 0.607;
    return { paper, grain, ink: upper.length ? ranked(upper, 0.9) : paper, lower };
  };

  const isUneven = (ink, found) => {
    const [low, high] = extremes(ink.values);
    return (
      spread(found.lower) > UNEVEN * (found.ink - found.paper) ||
      single(spread(border(ink))) > single(single(UNEVEN) * single(high - low))
    );
  };

  // How much ink each pixel holds, 0 to 1. Throws Blank where no ink stands out.
  const inkStrength = (grey, polarity) => {
    const [low, high] = extremes(grey.values);
    if (high - low < LEAST_CONTRAST) {
      throw new Blank(`blank: it is all ${high < 32 ? "black" : low > 223 ? "white" : "of one tone"}`);
    }
    let ink = polarity === "dark-on-light" ? image(grey.height, grey.width, grey.values.map((v) => 255 - v)) : grey;
    let found = measure(ink);
    const shorter = Math.min(ink.height, ink.width);
    if (shorter >= 32 && isUneven(ink, found)) {
      ink = aboveLocalPaper(ink, Math.floor(shorter / 3) | 1);
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

  Object.assign(window.Digits, { Blank, findPolarity, inkStrength });
})();
