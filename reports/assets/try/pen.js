// Ink on a sheet: lines with round ends, drawn into numbers here and not by the browser, so that a drawing is read
// alike everywhere and nothing has to be read back from a canvas (which some browsers answer with noise).
(() => {
  "use strict";
  const { image } = window.Digits;
  const SHEET = 256; // pixels of the sheet that is read; twice what ink is looked for at

  // A line from one point to another as [x, y], and its width: all as shares of the sheet's side.
  const addLine = (ink, start, end, width) => {
    const ax = start[0] * SHEET;
    const ay = start[1] * SHEET;
    const dx = end[0] * SHEET - ax;
    const dy = end[1] * SHEET - ay;
    const radius = (width / 2) * SHEET;
    const length = dx * dx + dy * dy;
    const limit = (value) => Math.min(Math.max(Math.round(value), 0), SHEET);
    const [left, right] = [Math.min(ax, ax + dx) - radius - 1, Math.max(ax, ax + dx) + radius + 1].map(limit);
    const [top, bottom] = [Math.min(ay, ay + dy) - radius - 1, Math.max(ay, ay + dy) + radius + 1].map(limit);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const px = x + 0.5 - ax;
        const py = y + 0.5 - ay;
        const along = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
        const u = px - along * dx;
        const v = py - along * dy;
        const cover = radius + 0.5 - Math.sqrt(u * u + v * v); // a soft edge, one pixel wide
        const at = y * SHEET + x;
        if (cover > ink[at]) ink[at] = Math.min(cover, 1);
      }
    }
  };

  // How much of each pixel is covered, 0 to 1. A stroke is {points: [[x, y], ...], width}.
  const noInk = () => new Float32Array(SHEET * SHEET);
  const addPoints = (ink, { points, width }, from = 0) => {
    for (let i = from; i < points.length; i++) addLine(ink, points[Math.max(i - 1, 0)], points[i], width);
  };

  // The sheet as grey values of 0 to 255; chalk is light on dark.
  const sheet = (ink, chalk) => image(SHEET, SHEET, ink.map((share) => 255 * (chalk ? share : 1 - share)));

  Object.assign(window.Digits, { noInk, addPoints, sheet });
})();
