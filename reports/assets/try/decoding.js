// An image file into grey values, as helpers/data/pictures/decoding.py: transparency laid over paper, colour turned into
// the grey in which it shows best. What the browser cannot open is refused in words.
(() => {
  "use strict";
  const { image, Blank } = window.Digits;
  const WORKING_SIDE = 512;
  const MOST_PIXELS = 50e6;
  const CANVAS_PIXELS = 16e6; // phones have no larger canvas

  // Averages blocks of pixels, colours weighted by how far they can be seen, rounded half up: {height, width, pixels:
  // RGBA}.
  const reduced = ({ height, width, pixels }) => {
    const factor = Math.ceil(Math.max(height, width) / WORKING_SIDE);
    if (factor <= 1) return { height, width, pixels };
    const [rows, columns] = [Math.ceil(height / factor), Math.ceil(width / factor)];
    const small = new Uint8ClampedArray(rows * columns * 4);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const [bottom, right] = [Math.min((y + 1) * factor, height), Math.min((x + 1) * factor, width)];
        const n = (bottom - y * factor) * (right - x * factor);
        const sums = [0, 0, 0, 0];
        for (let v = y * factor; v < bottom; v++) {
          for (let u = x * factor; u < right; u++) {
            const at = (v * width + u) * 4;
            const alpha = pixels[at + 3];
            for (let c = 0; c < 3; c++) sums[c] += pixels[at + c] * alpha;
            sums[3] += alpha;
          }
        }
        const at = (y * columns + x) * 4;
        for (let c = 0; c < 3; c++) small[at + c] = sums[3] && Math.floor(sums[c] / sums[3] + 0.5);
        small[at + 3] = Math.floor(sums[3] / n + 0.5);
      }
    }
    return { height: rows, width: columns, pixels: small };
  };

  const deviation = (values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  };

  // Luminance, or the one of red, green and blue that shows clearly more than it does.
  const bestGrey = ([red, green, blue]) => {
    if (red.every((value, i) => value === green[i] && value === blue[i])) return red;
    const grey = red.map((value, i) => 0.299 * value + 0.587 * green[i] + 0.114 * blue[i]);
    const spread = [red, green, blue].map(deviation);
    const best = spread.indexOf(Math.max(...spread));
    return spread[best] > 2 * deviation(grey) ? [red, green, blue][best] : grey;
  };

  // Where most is transparent, what is visible is ink, and paper is whichever is further from it; else paper is
  // visible too, and holes get its value.
  const onPaper = (grey, alpha) => {
    const visible = grey.filter((_, i) => alpha[i] > 0.5).sort();
    let paper;
    if (visible.length > grey.length / 2) {
      paper = (visible[(visible.length - 1) >> 1] + visible[visible.length >> 1]) / 2;
    } else {
      const ink = visible.length ? visible.reduce((sum, value) => sum + value, 0) / visible.length : 0;
      paper = ink < 128 ? 255 : 0;
    }
    return grey.map((value, i) => value * alpha[i] + paper * (1 - alpha[i]));
  };

  const toGrey = (whole) => {
    const { height, width, pixels } = reduced(whole);
    const channel = (c) => Float32Array.from({ length: height * width }, (_, i) => pixels[4 * i + c]);
    const grey = bestGrey([channel(0), channel(1), channel(2)]);
    const alpha = channel(3).map((value) => value / 255);
    return image(height, width, alpha.every((value) => value === 1) ? grey : onPaper(grey, alpha));
  };

  const opened = async (file) => {
    try {
      return await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    } catch {
      throw new Blank("not an image that this browser can open; PNG, JPEG, GIF, WebP and BMP are");
    }
  };

  // A File or Blob; resolves to a grey image, its longer side at most 512. Rejects with Blank.
  const readFile = async (file) => {
    if (!file.size) throw new Blank("the file is empty (0 bytes)");
    const bitmap = await opened(file);
    const size = bitmap.width * bitmap.height;
    if (size > MOST_PIXELS) throw new Blank(`${bitmap.width} x ${bitmap.height} pixels; too many to read here`);
    const scale = Math.min(1, Math.sqrt(CANVAS_PIXELS / size));
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.floor(side * scale)));
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, width, height);
    bitmap.close();
    return toGrey({ height, width, pixels: context.getImageData(0, 0, width, height).data });
  };

  Object.assign(window.Digits, { readFile, toGrey });
})();
