// The local level of the paper: the grey-scale opening of helpers/data/pictures/levels.py, and what it needs at the edges.
(() => {
  "use strict";
  const { image, cut, extremes } = window.Digits;

  const transposed = ({ height, width, values }) => {
    const to = image(width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) to.values[x * height + y] = values[y * width + x];
    }
    return to;
  };

  // Does something to every column, then the same to every row.
  const bothWays = (from, across) => across(transposed(across(transposed(from))));

  // The mean of three neighbours in a row; beyond the edge lies the edge's own value.
  const blurredRows = ({ height, width, values }) => {
    const to = image(height, width);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const row = y * width;
        to.values[row + x] =
          (values[row + Math.max(x - 1, 0)] + values[row + x] + values[row + Math.min(x + 1, width - 1)]) / 3;
      }
    }
    return to;
  };

  // `side` more pixels at both ends of each row, mirrored in the edge's value: a slope goes on.
  const continuedRows = (side) => ({ height, width, values }) => {
    const wide = width + 2 * side;
    const to = image(height, wide);
    for (let y = 0; y < height; y++) {
      const first = values[y * width];
      const last = values[y * width + width - 1];
      to.values.set(values.subarray(y * width, (y + 1) * width), y * wide + side);
      for (let i = 1; i <= side; i++) {
        to.values[y * wide + side - i] = 2 * first - values[y * width + i];
        to.values[y * wide + side + width - 1 + i] = 2 * last - values[y * width + width - 1 - i];
      }
    }
    return to;
  };

  // The lowest value (sign 1) or the highest (sign -1) within `side` pixels around each, along rows. A queue holds
  // the places of values that may still become the extreme one, best first: each enters and leaves once.
  const extremeRows = (side, sign) => ({ height, width, values }) => {
    const to = image(height, width);
    const half = side >> 1;
    const queue = new Int32Array(width);
    for (let y = 0; y < height; y++) {
      const row = y * width;
      let head = 0;
      let tail = 0;
      for (let x = 0; x < width + half; x++) {
        if (x < width) {
          while (tail > head && sign * values[row + queue[tail - 1]] >= sign * values[row + x]) tail--;
          queue[tail++] = x;
        }
        const place = x - half;
        if (place < 0) continue;
        while (queue[head] < place - half) head++;
        to.values[row + place] = values[row + queue[head]];
      }
    }
    return to;
  };

  // What is left of an image when everything narrower than `side` pixels is taken for ink.
  const localPaper = (ink, side) => {
    const { height, width } = ink;
    const [low, high] = extremes(ink.values);
    const wide = bothWays(bothWays(ink, blurredRows), continuedRows(side));
    wide.values.forEach((value, i) => { wide.values[i] = Math.min(Math.max(value, low), high); });
    const opened = bothWays(bothWays(wide, extremeRows(side, 1)), extremeRows(side, -1));
    return cut(opened, { top: side, bottom: side + height, left: side, right: side + width });
  };

  Object.assign(window.Digits, { localPaper });
})();
