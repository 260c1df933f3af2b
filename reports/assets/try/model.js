// What the page carries with it: the network, a few examples and a few hundred known digits, as text in the page.
(() => {
  "use strict";
  const { image, network, SIDE } = window.Digits;
  const BOTH = 0.98; // confidence: who reads a picture so surely both ways leaves it to a human

  const bytes = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text);
    const numbers = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) numbers[i] = letters.charCodeAt(i);
    return numbers;
  };

  // An example's pixels as grey values of 0 to 255, as helpers/predict/arrays.py scales them.
  const example = ({ from, label, side, top, pixels }) => {
    const grey = Float32Array.from(bytes(pixels), (value) => value * Math.fround(255 / top));
    return { from, label, grey: image(side, side, grey) };
  };

  // Known digits hold 16 greys, two pixels a byte.
  const unpacked = ({ labels, pixels }) => {
    const packed = bytes(pixels);
    const greys = new Uint8Array(packed.length * 2);
    packed.forEach((pair, i) => {
      greys[2 * i] = (pair >> 4) * 17;
      greys[2 * i + 1] = (pair & 15) * 17;
    });
    const size = SIDE * SIDE;
    return [...labels].map((label, i) => ({ label, seen: greys.subarray(i * size, (i + 1) * size) }));
  };

  // The `n` known digits nearest to what is seen, by the sum of squared differences.
  const nearest = (known, seen, n) => {
    const far = known.map(({ seen: other }) => {
      let sum = 0;
      for (let i = 0; i < seen.length; i++) sum += (seen[i] - other[i]) ** 2;
      return sum;
    });
    return [...known.keys()].sort((a, b) => far[a] - far[b]).slice(0, n).map((i) => known[i]);
  };

  const load = (text) => {
    const { network: { steps, weights, temperature, threshold, digits }, examples, known } = JSON.parse(text);
    // Typed arrays take the machine's byte order; the file's is little-endian, as every browser's machine is.
    const numbers = new Float32Array(bytes(weights).buffer);
    const others = unpacked(known);
    const { answer } = network({ steps, weights: numbers, temperature });
    // What was prepared, with its `chances`: the mean of both where the picture is to be read unchanged, too, and of a
    // picture and what it is with light for dark the surer answer, as helpers/predict/pipeline.py.
    const read = ({ seen, polarity, doubt, unchanged, turned }) => {
      let chances = answer(seen);
      if (unchanged) {
        const second = answer(unchanged);
        chances = chances.map((chance, digit) => (chance + second[digit]) / 2);
      }
      if (!turned) return { seen, polarity, doubt, chances };
      const others = answer(turned.seen);
      const [sure, its] = [Math.max(...chances), Math.max(...others)];
      if (Math.min(sure, its) >= BOTH && chances.indexOf(sure) !== others.indexOf(its)) {
        return { seen, polarity, doubt: doubt || "dark or light ink?", chances };
      }
      return its > sure ? { ...turned, chances: others } : { seen, polarity, doubt, chances };
    };
    return {
      threshold,
      digits,
      read,
      examples: examples.map(example),
      nearest: (seen, n) => nearest(others, seen, n),
    };
  };

  Object.assign(window.Digits, { load });
})();
