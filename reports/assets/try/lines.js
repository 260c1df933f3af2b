// Straight lines off a sheet, step for step as helpers/data/pictures/lines.py; the reasons are given there.
(() => {
  "use strict";
  const LEAN = 8;
  const SPANS = 0.9;
  const FRAME = 0.72;
  const THIN = 0.045;
  const LEAST_SIDE = 48;
  const NEAR = 3;
  const MOST = 64;

  // By how many rows a line that changes by `rise` rows over the width has changed at each column.
  const steps = (rise, width) => Int32Array.from({ length: width }, (_, x) => Math.floor((rise * x) / (width - 1) + 0.5));

  const turned = ({ height, width, seen }) => {
    const to = { height: width, width: height, seen: new Uint8Array(seen.length) };
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) to.seen[x * height + y] = seen[y * width + x];
    return to;
  };

  // Numbers of the runs of visible pixels in each column from 1, 0 elsewhere, and their lengths.
  const numbered = ({ height, width, seen }) => {
    const runs = new Int32Array(seen.length);
    const lengths = [0];
    for (let x = 0; x < width; x++) {
      for (let y = 0; y < height; y++) {
        const at = y * width + x;
        if (!seen[at]) continue;
        if (!y || !seen[at - width]) lengths.push(0);
        runs[at] = lengths.length - 1;
        lengths[runs[at]]++;
      }
    }
    return { runs, lengths };
  };

  // [row at the left, rise, columns covered], those that cover most first; the first row and rise on ties.
  const straight = ({ height, width, seen }) => {
    const near = seen.slice();
    for (let at = 0; at < seen.length; at++) {
      if (!seen[at]) continue;
      if (at >= width) near[at - width] = 1;
      if (at + width < seen.length) near[at + width] = 1;
    }
    const reach = Math.floor(width / LEAN);
    const counts = new Int32Array((2 * reach + 1) * height);
    for (let rise = -reach; rise <= reach; rise++) {
      const down = steps(rise, width);
      const from = (rise + reach) * height;
      for (let row = 0; row < height; row++) {
        let count = 0;
        for (let x = 0; x < width; x++) {
          const y = row + down[x];
          // A row just outside still has a visible neighbour inside.
          if (y >= 0 && y < height) count += near[y * width + x];
          else if (y === -1) count += seen[x];
          else if (y === height) count += seen[(height - 1) * width + x];
        }
        counts[from + row] = count;
      }
    }
    const found = [];
    while (found.length < MOST) {
      let best = 0;
      for (let i = 1; i < counts.length; i++) if (counts[i] > counts[best]) best = i;
      const count = counts[best];
      if (count < FRAME * width) break;
      const [rise, row] = [Math.floor(best / height) - reach, best % height];
      found.push([row, rise, count]);
      for (let other = -reach; other <= reach; other++) {
        for (let y = Math.max(0, row - NEAR); y <= Math.min(height - 1, row + NEAR); y++) {
          if (Math.abs(y + other - row - rise) <= NEAR) counts[(other + reach) * height + y] = 0;
        }
      }
    }
    return found;
  };

  // The numbers of the runs that a line meets.
  const along = ({ height, width }, runs, row, rise) => {
    const met = [];
    steps(rise, width).forEach((down, x) => {
      const y = row + down;
      if (y < 0 || y >= height) return;
      const here = runs[y * width + x]
        || runs[Math.max(y - 1, 0) * width + x] || runs[Math.min(y + 1, height - 1) * width + x];
      if (here) met.push(here);
    });
    return met;
  };

  // Marks the pixels that hold a line across and nothing else; null where there is no line.
  const pure = (sheet) => {
    const { runs, lengths } = numbered(sheet);
    let found = straight(sheet).flatMap(([row, rise, count]) => {
      const met = along(sheet, runs, row, rise);
      const thick = met.length ? met.map((run) => lengths[run]).sort((a, b) => a - b)[met.length >> 1] : sheet.height;
      if (thick > Math.max(3, THIN * sheet.height)) return [];
      const mine = met.filter((run) => lengths[run] <= thick + 2);
      return [{ middle: row + rise / 2, spans: count >= SPANS * sheet.width, mine }];
    });
    const middles = found.map(({ middle }) => middle);
    const isPair = found.length > 1 && Math.max(...middles) - Math.min(...middles) >= sheet.height / 2;
    if (!isPair) found = found.filter(({ spans }) => spans);
    if (!found.length) return null;
    const gone = new Uint8Array(lengths.length);
    for (const { mine } of found) for (const run of mine) gone[run] = 1;
    return { ...sheet, seen: Uint8Array.from(runs, (run) => gone[run]) };
  };

  const covered = ({ height, width, seen }) => {
    const columns = new Uint8Array(width);
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) columns[x] |= seen[y * width + x];
    return columns.reduce((sum, column) => sum + column, 0);
  };

  // The pixels of lines, given those where there is ink at all, {height, width, seen}; null where there are none.
  const findLines = (sheet) => {
    if (Math.min(sheet.height, sheet.width) < LEAST_SIDE) return null;
    const gone = new Uint8Array(sheet.seen.length);
    for (const turn of [false, true]) {
      const rest = { ...sheet, seen: sheet.seen.map((is, at) => (is && !gone[at] ? 1 : 0)) };
      const now = turn ? turned(rest) : rest;
      if (covered(now) < FRAME * now.width) continue;
      const found = pure(now);
      if (found) (turn ? turned(found) : found).seen.forEach((is, at) => { gone[at] |= is; });
    }
    return gone.some(Boolean) ? gone : null;
  };

  Object.assign(window.Digits, { findLines });
})();
