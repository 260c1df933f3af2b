// Any grey image into MNIST's form, as helpers/predict/preparing.py: 28 x 28, longer side 20, mass in the middle.
(() => {
  "use strict";
  const { image, extremes, cut, shrink, resize, Blank, findPolarity, inkStrength } = window.Digits;
  const single = Math.fround;
  const SIDE = 28;
  const DIGIT = 20;
  const CENTRE = 14;
  const SEARCH = 128;
  const SMALL = 40;
  const LEAST_SIDE = 4;
  const VISIBLE = single(0.12);
  const SPECK = 0.02;

  // Numbers each spot of visible ink, diagonal neighbours included: {spots: per pixel, 0 for none; masses by number}.
  const findSpots = ({ height, width, values }) => {
    const spots = new Int32Array(values.length);
    const masses = [0];
    const waiting = [];
    for (let start = 0; start < values.length; start++) {
      if (spots[start] || values[start] < VISIBLE) continue;
      const number = masses.length;
      let mass = 0;
      spots[start] = number;
      waiting.push(start);
      while (waiting.length) {
        const at = waiting.pop();
        mass += values[at];
        const [row, column] = [Math.floor(at / width), at % width];
        for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
          for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
            const near = y * width + x;
            if (spots[near] || values[near] < VISIBLE) continue;
            spots[near] = number;
            waiting.push(near);
          }
        }
      }
      masses.push(mass);
    }
    return { spots, masses };
  };

  // Sets spots of little ink to 0, and the faint pixels around them.
  const withoutSpecks = (strength) => {
    const { spots, masses } = findSpots(strength);
    if (masses.length <= 2) return strength;
    const limit = SPECK * masses.reduce((sum, mass) => sum + mass, 0);
    const isDirt = masses.map((mass, number) => number > 0 && mass < limit);
    const n = isDirt.filter(Boolean).length;
    if (n === masses.length - 1) throw new Blank("blank: nothing but specks");
    if (!n) return strength;
    const { height, width, values } = strength;
    const clean = values.slice();
    for (let at = 0; at < values.length; at++) {
      if (!isDirt[spots[at]]) continue;
      const [row, column] = [Math.floor(at / width), at % width];
      clean[at] = 0;
      for (let y = Math.max(row - 1, 0); y <= Math.min(row + 1, height - 1); y++) {
        for (let x = Math.max(column - 1, 0); x <= Math.min(column + 1, width - 1); x++) {
          if (values[y * width + x] < VISIBLE) clean[y * width + x] = 0;
        }
      }
    }
    return image(height, width, clean);
  };

  // The smallest part that holds all visible ink.
  const box = ({ height, width, values }) => {
    const found = { top: height, bottom: 0, left: width, right: 0 };
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (values[y * width + x] < VISIBLE) continue;
        found.top = Math.min(found.top, y);
        found.bottom = y + 1;
        found.left = Math.min(found.left, x);
        found.right = Math.max(found.right, x + 1);
      }
    }
    return found;
  };
  const longerSide = ({ top, bottom, left, right }) => Math.max(bottom - top, right - left);

  // The part of the grey image that lies at `found` of its coarse version, with paper on all sides.
  const around = (grey, found) => {
    const factor = Math.ceil(Math.max(grey.height, grey.width) / SEARCH);
    const margin = 3 + Math.floor(longerSide(found) / 4);
    const part = {
      top: Math.max(0, (found.top - margin) * factor),
      bottom: (found.bottom + margin) * factor,
      left: Math.max(0, (found.left - margin) * factor),
      right: (found.right + margin) * factor,
    };
    return shrink(cut(grey, part), SEARCH);
  };

  // A cropped digit, fitted and centred: 784 grey values, ink high.
  const place = (digit) => {
    const longer = Math.max(digit.height, digit.width);
    const [height, width] = [digit.height, digit.width].map((side) =>
      Math.max(1, Math.trunc((side * DIGIT) / longer + 0.5)));
    const faint = resize(digit, height, width).values;
    const most = extremes(faint)[1];
    const values = faint.map((value) => value / most);
    let [total, down, right] = [0, 0, 0];
    values.forEach((ink, i) => {
      total += ink;
      down += ink * Math.floor(i / width);
      right += ink * (i % width);
    });
    const start = (moment, side) => {
      const move = single(CENTRE - single(moment / total));
      return Math.min(Math.max(Math.floor(single(move + 0.5)), 0), SIDE - side);
    };
    const [top, left] = [start(down, height), start(right, width)];
    const seen = new Uint8Array(SIDE * SIDE);
    values.forEach((value, i) => {
      seen[(top + Math.floor(i / width)) * SIDE + left + (i % width)] = Math.floor(single(single(value * 255) + 0.5));
    });
    return seen;
  };

  // {seen: Uint8Array(784), polarity}. Throws Blank for an image without ink, or too small to hold any.
  const prepare = (given, polarity = "auto") => {
    if (Math.min(given.height, given.width) < LEAST_SIDE) {
      throw new Blank(`${given.width} x ${given.height} pixels; at least ${LEAST_SIDE} x ${LEAST_SIDE} are needed`);
    }
    const grey = shrink(given);
    const coarse = shrink(grey, SEARCH);
    const chosen = polarity === "auto" ? findPolarity(coarse) : polarity;
    let strength = withoutSpecks(inkStrength(coarse, chosen));
    let found = box(strength);
    if (coarse !== grey && longerSide(found) < SMALL) {
      strength = withoutSpecks(inkStrength(around(grey, found), chosen));
      found = box(strength);
    }
    return { seen: place(cut(strength, found)), polarity: chosen };
  };

  Object.assign(window.Digits, { prepare, SIDE });
})();
