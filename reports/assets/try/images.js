// What all parts share: an image is {height, width, values}, values a Float32Array of its rows. Sizes are changed
// as in helpers/data/pictures/resampling.py and decoding.py. Python computes in single precision; where a comparison hangs
// on it, so do these scripts (Math.fround).
(() => {
  "use strict";
  const image = (height, width, values = new Float32Array(height * width)) => ({ height, width, values });

  // There is no digit to be seen, or no picture; the message says what there is instead.
  class Blank extends Error {}

  const extremes = (values) => {
    let low = Infinity;
    let high = -Infinity;
    for (let i = 0; i < values.length; i++) {
      if (values[i] < low) low = values[i];
      if (values[i] > high) high = values[i];
    }
    return [low, high];
  };

  // The part of an image from `top`, `left` (inclusive) to `bottom`, `right` (not), as far as it exists.
  const cut = (from, { top, bottom, left, right }) => {
    const rows = Math.min(bottom, from.height) - top;
    const columns = Math.min(right, from.width) - left;
    const part = image(rows, columns);
    for (let y = 0; y < rows; y++) {
      const start = (top + y) * from.width + left;
      part.values.set(from.values.subarray(start, start + columns), y * columns);
    }
    return part;
  };

  // Averages square blocks so that the longer side is at most `side`; blocks at the edges may be smaller.
  const shrink = (from, side = 512) => {
    const factor = Math.ceil(Math.max(from.height, from.width) / side);
    if (factor <= 1) return from;
    const to = image(Math.ceil(from.height / factor), Math.ceil(from.width / factor));
    for (let y = 0; y < to.height; y++) {
      const bottom = Math.min((y + 1) * factor, from.height);
      for (let x = 0; x < to.width; x++) {
        const right = Math.min((x + 1) * factor, from.width);
        let sum = 0;
        for (let v = y * factor; v < bottom; v++) {
          for (let u = x * factor; u < right; u++) sum += from.values[v * from.width + u];
        }
        to.values[y * to.width + x] = sum / ((bottom - y * factor) * (right - x * factor));
      }
    }
    return to;
  };

  // For each output pixel, the first input pixel that counts and the shares of those from there on.
  const shares = (before, after) => {
    const scale = before / after;
    const reach = Math.max(1, scale);
    return Array.from({ length: after }, (_, i) => {
      const centre = (i + 0.5) * scale;
      const first = Math.max(0, Math.trunc(centre - reach + 0.5));
      const last = Math.min(before, Math.trunc(centre + reach + 0.5));
      const parts = [];
      for (let j = first; j < last; j++) parts.push(Math.max(0, 1 - Math.abs((j - centre + 0.5) / reach)));
      const whole = parts.reduce((sum, part) => sum + part, 0);
      return { first, parts: parts.map((part) => part / whole) };
    });
  };

  // Resamples with a triangle, columns and rows one after the other.
  const resize = (from, height, width) => {
    let now = from;
    if (width !== now.width) {
      const across = shares(now.width, width);
      const to = image(now.height, width);
      for (let y = 0; y < now.height; y++) {
        for (let x = 0; x < width; x++) {
          const { first, parts } = across[x];
          let sum = 0;
          for (let i = 0; i < parts.length; i++) sum += parts[i] * now.values[y * now.width + first + i];
          to.values[y * width + x] = sum;
        }
      }
      now = to;
    }
    if (height !== now.height) {
      const down = shares(now.height, height);
      const to = image(height, width);
      for (let y = 0; y < height; y++) {
        const { first, parts } = down[y];
        for (let x = 0; x < width; x++) {
          let sum = 0;
          for (let i = 0; i < parts.length; i++) sum += parts[i] * now.values[(first + i) * width + x];
          to.values[y * width + x] = sum;
        }
      }
      now = to;
    }
    return now;
  };

  // A canvas of that many pixels, painted with grey values; `flipped` shows what is high as dark.
  const paintGrey = (canvas, { height, width, values }, flipped = false) => {
    const pixels = new ImageData(width, height);
    for (let i = 0; i < values.length; i++) {
      const grey = flipped ? 255 - values[i] : values[i];
      pixels.data[4 * i] = pixels.data[4 * i + 1] = pixels.data[4 * i + 2] = grey;
      pixels.data[4 * i + 3] = 255;
    }
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    canvas.getContext("2d").putImageData(pixels, 0, 0);
  };

  window.Digits = { Blank, image, extremes, cut, shrink, resize, paintGrey };
})();
