// Any grey image into MNIST's form, as helpers/data/pictures/preparing.py: 28 x 28, longer side 20, mass in the middle.
(() => {
  "use strict";
  const { NONE, SURELY, Blank, extremes, boxOf, cut, findPolarity, findStrokes, grown, inkStrength, lightness, opposite, resize,
    shrink, visibleIn } = window.Digits;
  const single = Math.fround;
  const SIDE = 28;
  const DIGIT = 20;
  const CENTRE = 14;
  const SEARCH = 128;
  const SMALL = 40;
  const LEAST_SIDE = 4;
  const LEAST_DIGIT = 15;
  const UNSURE = 0.3;

  const longerSide = ({ top, bottom, left, right }) => Math.max(bottom - top, right - left);

  // The part of the grey image that lies at `found` of its coarse version, with paper on all sides, and the pixels of it
  // that may belong to the digit: those at most two coarse pixels from it.
  const around = (grey, visible, found) => {
    const factor = Math.ceil(Math.max(grey.height, grey.width) / SEARCH);
    const margin = 3 + Math.floor(longerSide(found) / 4);
    const box = {
      top: Math.max(0, (found.top - margin) * factor),
      bottom: (found.bottom + margin) * factor,
      left: Math.max(0, (found.left - margin) * factor),
      right: (found.right + margin) * factor,
    };
    const whole = cut(grey, box);
    const part = shrink(whole, SEARCH);
    const finer = Math.ceil(Math.max(whole.height, whole.width) / SEARCH);
    const near = grown(visible, 2);
    const mine = part.values.map((_, at) => {
      const y = Math.floor((box.top + Math.floor(at / part.width) * finer) / factor);
      const x = Math.floor((box.left + (at % part.width) * finer) / factor);
      return near.seen[y * near.width + x];
    });
    return { part, mine };
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

  const bytes = (values) => Uint8Array.from(values, (value) => Math.floor(single(single(value * 255) + 0.5)));

  // Whether the digit lies in 28 x 28 pixels as MNIST's do, to a pixel.
  const hasForm = ({ height, width, values }, found) => {
    if (height !== SIDE || width !== SIDE) return false;
    let [total, down, right] = [0, 0, 0];
    values.forEach((ink, i) => {
      total += ink;
      down += ink * Math.floor(i / width);
      right += ink * (i % width);
    });
    const off = Math.max(Math.abs(down / total - CENTRE), Math.abs(right / total - CENTRE));
    return Math.abs(longerSide(found) - DIGIT) <= 1 && off <= 1;
  };

  // Looks for the digit, and again at all pixels where it is small: {digit, doubt, isSheet, isForm}, or {problem}.
  const look = (grey, coarse, polarity) => {
    try {
      let strokes = findStrokes(inkStrength(coarse, polarity));
      let visible = visibleIn(strokes.strength);
      let found = boxOf(visible);
      if (coarse !== grey && longerSide(found) < SMALL) {
        const { doubt } = strokes;
        const { part, mine } = around(grey, visible, found);
        strokes = findStrokes(inkStrength(part, polarity), mine);
        strokes.doubt = doubt || strokes.doubt;
        visible = visibleIn(strokes.strength);
        found = boxOf(visible);
      }
      const { strength, doubt, isSheet } = strokes;
      const isForm = hasForm(strength, found);
      return { digit: isForm ? strength : cut(strength, found), doubt, isSheet, isForm };
    } catch (problem) {
      if (!(problem instanceof Blank)) throw problem;
      return { digit: null, problem };
    }
  };

  const inForm = ({ digit, isForm }) => (isForm ? bytes(digit.values) : place(digit));

  // {seen: Uint8Array(784), polarity, doubt: why a human should look, or nothing, unchanged: the same as `seen` for the
  // picture as it was handed in, where that is to be read, too, else null, turned: {seen, polarity, doubt} of the picture
  // with light for dark, where little speaks for either, else null}. Throws Blank for an image without ink, or too small
  // to hold any.
  const prepare = (given, polarity = "auto") => {
    if (Math.min(given.height, given.width) < LEAST_SIDE) {
      throw new Blank(`${given.width} x ${given.height} pixels; at least ${LEAST_SIDE} x ${LEAST_SIDE} are needed`);
    }
    const grey = shrink(given);
    const coarse = shrink(grey, SEARCH);
    let chosen = polarity === "auto" ? findPolarity(coarse) : polarity;
    let found = look(grey, coarse, chosen);
    let other = null;
    const isUnsure = Math.abs(lightness(coarse)) < UNSURE;
    const isNoInk = found.isSheet || !found.digit;
    if (polarity === "auto" && (isUnsure || isNoInk)) {
      other = look(grey, coarse, opposite(chosen));
      if (isNoInk && other.digit && other.doubt !== NONE) [chosen, found, other] = [opposite(chosen), other, found];
    }
    const { digit, doubt, isForm, problem } = found;
    if (!digit) throw problem;
    const turned = isUnsure && other && other.digit && !other.doubt && !other.isSheet
      ? { seen: inForm(other), polarity: opposite(chosen), doubt: "" } : null;
    let unchanged = null;
    if (!isForm && grey.height === SIDE && grey.width === SIDE && Math.max(digit.height, digit.width) >= LEAST_DIGIT) {
      const isDark = chosen === "dark-on-light" && lightness(grey) > SURELY;
      unchanged = bytes(grey.values.map((value) => single(isDark ? 255 - value : value) / 255));
    }
    return { seen: inForm(found), polarity: chosen, doubt, unchanged, turned };
  };

  Object.assign(window.Digits, { prepare, SIDE });
})();
