// The digit's own strokes among all ink, step for step as helpers/data/pictures/strokes.py; the reasons are given there.
(() => {
  "use strict";
  const { image, Blank, boxOf, count, findLines, grown, hasSquare, partOf, ranked } = window.Digits;
  const single = Math.fround;
  const VISIBLE = single(0.12);
  const STRONG = single(0.3);
  const [BEYOND, BEYOND_COARSE] = [1.2, 1.5];
  const SPECK = 0.02;
  const SIZEABLE = 0.3;
  const TINY = 0.12;
  const MARGIN = 0.06;
  const FAR = 0.3;
  const STACKED = 1.9;
  const ALIKE = 0.5;
  const WIDE = 2.0;
  const SOLID = 0.68;
  const SHEET = 0.4;
  const EDGE = 0.08;
  const PIECES = 4;
  const FACE = 2;
  const [TWO, NONE] = ["two digits?", "no digit?"];

  const visibleIn = ({ height, width, values }) => ({
    height, width, seen: Uint8Array.from(values, (value) => (value >= VISIBLE ? 1 : 0)),
  });

  // Spots of visible ink, diagonal neighbours included, in the order in which rows are read: {numbers: per pixel from 1,
  // 0 for none; spots: their box, mass, size in pixels, pixels on the border}.
  const findSpots = ({ height, width, values }) => {
    const numbers = new Int32Array(values.length);
    const spots = [];
    const waiting = [];
    for (let start = 0; start < values.length; start++) {
      if (numbers[start] || values[start] < VISIBLE) continue;
      const spot = { top: height, bottom: 0, left: width, right: 0, mass: 0, size: 0, contact: 0 };
      const number = spots.push(spot);
      numbers[start] = number;
      waiting.push(start);
      while (waiting.length) {
        const at = waiting.pop();
        const [row, column] = [Math.floor(at / width), at % width];
        spot.size++;
        spot.top = Math.min(spot.top, row);
        spot.bottom = Math.max(spot.bottom, row + 1);
        spot.left = Math.min(spot.left, column);
        spot.right = Math.max(spot.right, column + 1);
        if (!row || !column || row === height - 1 || column === width - 1) spot.contact++;
        for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
          for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
            const near = y * width + x;
            if (numbers[near] || values[near] < VISIBLE) continue;
            numbers[near] = number;
            waiting.push(near);
          }
        }
      }
    }
    for (let at = 0; at < values.length; at++) if (numbers[at]) spots[numbers[at] - 1].mass += values[at];
    for (const spot of spots) {
      spot.height = spot.bottom - spot.top;
      spot.width = spot.right - spot.left;
      spot.longer = Math.max(spot.height, spot.width);
    }
    return { numbers, spots };
  };

  const heaviest = (spots) => spots.reduce((best, spot) => (best && best.mass >= spot.mass ? best : spot), null);
  const rowsBetween = (a, b) => Math.max(a.top - b.bottom, b.top - a.bottom);
  const columnsBetween = (a, b) => Math.max(a.left - b.right, b.left - a.right);
  const gap = (a, b) => Math.max(rowsBetween(a, b), columnsBetween(a, b));

  // What is faint and far from all strong ink goes, where such marks reach far beyond it.
  const withoutFaint = (strength) => {
    const { height, width, values } = strength;
    const strong = { height, width, seen: Uint8Array.from(values, (value) => (value >= STRONG ? 1 : 0)) };
    const [inner, outer] = [boxOf(strong), boxOf(visibleIn(strength))];
    const least = Math.min(height, width) >= 64 ? BEYOND : BEYOND_COARSE;
    const reaches = (from, to) => outer[to] - outer[from] > least * (inner[to] - inner[from]);
    if (inner.bottom <= inner.top || !(reaches("top", "bottom") || reaches("left", "right"))) return strength;
    const near = grown(strong, 1).seen;
    return image(height, width, values.map((value, at) => (near[at] ? value : 0)));
  };

  const isAnyFree = (strength) => {
    const { height, width } = strength;
    const [least, margin] = [TINY, MARGIN].map((share) => share * Math.min(height, width));
    return findSpots(strength).spots.some(({ longer, top, left, bottom, right }) =>
      longer >= least && Math.min(top, left, height - bottom, width - right) >= margin);
  };

  // A frame around others: nothing of it lies in the middle of its box, but another spot does.
  const isHollow = ({ height, width }, numbers, spots, spot) => {
    if (Math.min(spot.height, spot.width) < 0.5 * Math.min(height, width)) return false;
    const [across, down] = [Math.floor(spot.width / 8), Math.floor(spot.height / 8)];
    let own = 0;
    let others = false;
    for (let y = spot.top + down; y < spot.bottom - down; y++) {
      for (let x = spot.left + across; x < spot.right - across; x++) {
        const other = spots[numbers[y * width + x] - 1];
        if (other === spot) own++;
        else if (other && other.keep) others = true;
      }
    }
    return others && own <= 0.05 * spot.size;
  };

  // What comes in from beyond the border: a table, the edge of a sheet, a part of another digit.
  const findBeyond = ({ height, width }, kept) => {
    const free = kept.filter(({ contact }) => !contact);
    const touching = kept.filter(({ contact }) => contact);
    const largest = Math.max(0, ...free.map(({ longer }) => longer));
    const side = Math.min(height, width);
    if (!touching.length || largest < TINY * side) return [];
    const isLong = ({ contact, longer }) => contact >= 0.7 * longer && longer >= 0.5 * side;
    if (largest < SIZEABLE * side) return touching.filter(isLong);
    const short = touching.filter((spot) => !isLong(spot));
    const everywhere = short.some(({ top }) => !top) && short.some(({ left }) => !left)
      && short.some(({ bottom }) => bottom === height) && short.some(({ right }) => right === width);
    if (everywhere) return touching.filter(isLong);
    const main = heaviest(free);
    return touching.filter((spot) => isLong(spot) || (gap(spot, main) > 0.12 * main.longer && spot.mass < main.mass));
  };

  // What belongs to the main spot: those close to it, those close to both, and so on; no further than a spot is long.
  const gather = (kept, main) => {
    let own = [main];
    for (;;) {
      const box = {
        top: Math.min(...own.map(({ top }) => top)),
        left: Math.min(...own.map(({ left }) => left)),
        bottom: Math.max(...own.map(({ bottom }) => bottom)),
        right: Math.max(...own.map(({ right }) => right)),
      };
      const far = FAR * Math.max(box.bottom - box.top, box.right - box.left);
      const more = kept.filter((spot) => own.includes(spot) || gap(spot, box) <= Math.min(far, spot.longer));
      if (more.length === own.length) return own;
      own = more;
    }
  };

  // Says which spots to keep (`keep`), and returns a doubt about them.
  const choose = (sheet, numbers, spots) => {
    const hollow = spots.filter((spot) => isHollow(sheet, numbers, spots, spot));
    for (const spot of hollow) spot.keep = false;
    for (const spot of findBeyond(sheet, spots.filter(({ keep }) => keep))) spot.keep = false;
    const kept = spots.filter(({ keep }) => keep);
    const main = heaviest(kept);
    const extent = (first, last) => Math.max(...kept.map((spot) => spot[last])) - Math.min(...kept.map((spot) => spot[first]));
    const [tall, broad] = [extent("top", "bottom"), extent("left", "right")];
    const least = broad > 1.1 * tall ? ALIKE * tall : 0.7 * tall;
    const isWithin = ({ left, right }) => left >= EDGE * sheet.width && right <= (1 - EDGE) * sheet.width;
    const isBeside = (spot) => spot !== main && spot.height >= least && main.height >= least
      && spot.mass >= (isWithin(spot) ? 0.1 : 0.25) * main.mass
      && columnsBetween(spot, main) > -0.2 * Math.min(spot.width, main.width);
    const isUnder = (spot) => tall > STACKED * broad && rowsBetween(spot, main) > 0
      && spot.height >= ALIKE * main.height && spot.width >= ALIKE * main.width;
    const second = kept.filter((spot) => isBeside(spot) || isUnder(spot));
    const own = main ? gather(kept, main) : [];
    const apart = kept.filter((spot) => !own.includes(spot) && !second.includes(spot));
    for (const spot of apart) spot.keep = false;
    const broken = apart.filter(isWithin);
    const isBroken = broken.length > 0 && broken.length <= PIECES
      && broken.every((spot) => columnsBetween(spot, main) > 0)
      && broken.reduce((sum, { mass }) => sum + mass, 0) >= 0.15 * main.mass
      && Math.max(...broken.map(({ bottom }) => bottom)) - Math.min(...broken.map(({ top }) => top)) >= ALIKE * main.height;
    const inside = kept.filter(({ top, left, bottom, right }) =>
      top > main.top && left > main.left && bottom < main.bottom && right < main.right);
    if (second.length || isBroken) return TWO;
    return inside.length >= FACE ? NONE : "";
  };

  // Two tall parts that hang together by one short piece.
  const isNecked = ({ height, width, seen }) => {
    const isTall = (from, to) => {
      let [first, last] = [-1, -1];
      for (let y = 0; y < height; y++) {
        for (let x = from; x < to; x++) {
          if (!seen[y * width + x]) continue;
          if (first < 0) first = y;
          last = y;
        }
      }
      return first >= 0 && last - first + 1 >= 0.65 * height;
    };
    for (let x = Math.trunc(0.3 * width); x <= Math.trunc(0.7 * width); x++) {
      let [runs, n] = [0, 0];
      for (let y = 0; y < height; y++) {
        if (!seen[y * width + x]) continue;
        n++;
        if (!y || !seen[(y - 1) * width + x]) runs++;
      }
      if (runs <= 1 && n <= 0.35 * height && isTall(0, x) && isTall(x + 1, width)) return true;
    }
    return false;
  };

  // A doubt about the shape of all that is left, or nothing.
  const doubtShape = ({ height, width, values }) => {
    const all = { height, width, seen: Uint8Array.from(values, (value) => (value >= 0.5 ? 1 : 0)) };
    const strong = partOf(all, boxOf(all));
    if (strong.width > WIDE * strong.height || (strong.width > 1.3 * strong.height && isNecked(strong))) return TWO;
    if (0.6 * strong.height <= strong.width && count(strong.seen) > SOLID * strong.height * strong.width) {
      const side = Math.max(1, Math.trunc(0.6 * Math.min(strong.height, strong.width) + 0.5));
      if (hasSquare(strong, side)) return NONE;
    }
    return "";
  };

  // Paper inside a frame or on a table: large, solid to its corners, free of the border.
  const isSheet = (strength) => {
    const visible = visibleIn(strength);
    const box = boxOf(visible);
    const part = partOf(visible, box);
    const { height, width, seen } = part;
    if (seen.length < SHEET * visible.seen.length || count(seen) <= SOLID * seen.length) return false;
    if (Math.min(height, width) <= 3) return false;
    const corners = [1, height - 2].every((y) => [1, width - 2].every((x) => seen[y * width + x]));
    return corners && box.top > 0 && box.left > 0 && box.bottom < visible.height && box.right < visible.width;
  };

  // {strength, doubt, isSheet}; `mine` marks the pixels that may belong to the digit. Throws Blank where there is
  // nothing but specks.
  const findStrokes = (given, mine = null) => {
    let strength = withoutFaint(given);
    const lines = findLines(visibleIn(given));
    if (lines) {
      const values = given.values.map((value, at) => (lines[at] ? 0 : value));
      const cleared = withoutFaint(image(given.height, given.width, values));
      if (isAnyFree(cleared)) strength = cleared;
    }
    if (mine) {
      strength = image(given.height, given.width, strength.values.map((value, at) => (mine[at] ? value : 0)));
    }
    const { numbers, spots } = findSpots(strength);
    const limit = SPECK * spots.reduce((sum, { mass }) => sum + mass, 0);
    for (const spot of spots) spot.keep = spot.mass >= limit;
    if (!spots.some(({ keep }) => keep)) throw new Blank("blank: nothing but specks");
    const doubt = spots.length > 1 ? choose(strength, numbers, spots) : "";
    if (!spots.every(({ keep }) => keep)) {
      const seen = Uint8Array.from(numbers, (number) => (number && spots[number - 1].keep ? 1 : 0));
      const near = grown({ height: given.height, width: given.width, seen }, 1);
      strength = image(given.height, given.width, strength.values.map((value, at) => (near.seen[at] ? value : 0)));
    }
    if (strength !== given) {
      const full = single(ranked(strength.values.filter((value) => value >= VISIBLE), 0.9));
      strength = image(given.height, given.width, strength.values.map((value) => Math.min(single(value / full), 1)));
    }
    return { strength, doubt: doubt || doubtShape(strength), isSheet: isSheet(strength) };
  };

  Object.assign(window.Digits, { NONE, findStrokes, visibleIn });
})();
