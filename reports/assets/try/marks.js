// Marked pixels: {height, width, seen}, seen a Uint8Array of 0 and 1 by rows.
(() => {
  "use strict";
  // The smallest part that holds all that is marked.
  const boxOf = ({ height, width, seen }) => {
    const found = { top: height, bottom: 0, left: width, right: 0 };
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (!seen[y * width + x]) continue;
        found.top = Math.min(found.top, y);
        found.bottom = y + 1;
        found.left = Math.min(found.left, x);
        found.right = Math.max(found.right, x + 1);
      }
    }
    return found;
  };
  const partOf = ({ width, seen }, { top, bottom, left, right }) => {
    const part = { height: bottom - top, width: right - left, seen: new Uint8Array((bottom - top) * (right - left)) };
    for (let y = top; y < bottom; y++) {
      part.seen.set(seen.subarray(y * width + left, y * width + right), (y - top) * part.width);
    }
    return part;
  };
  const count = (seen) => {
    let n = 0;
    for (let i = 0; i < seen.length; i++) n += seen[i];
    return n;
  };

  // Marks every pixel within `reach` of a marked one, in rows and columns.
  const grown = ({ height, width, seen }, reach) => {
    const to = new Uint8Array(seen.length);
    for (let at = 0; at < seen.length; at++) {
      if (!seen[at]) continue;
      const [row, column] = [Math.floor(at / width), at % width];
      for (let y = Math.max(row - reach, 0); y <= Math.min(row + reach, height - 1); y++) {
        for (let x = Math.max(column - reach, 0); x <= Math.min(column + reach, width - 1); x++) to[y * width + x] = 1;
      }
    }
    return { height, width, seen: to };
  };

  // Says whether somewhere a whole square of that side is marked.
  const hasSquare = ({ height, width, seen }, side) => {
    const sides = new Int32Array(seen.length); // of the largest square that ends here
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = y * width + x;
        if (!seen[at]) continue;
        sides[at] = y && x ? 1 + Math.min(sides[at - 1], sides[at - width], sides[at - width - 1]) : 1;
        if (sides[at] >= side) return true;
      }
    }
    return false;
  };

  Object.assign(window.Digits, { boxOf, count, grown, hasSquare, partOf });
})();
