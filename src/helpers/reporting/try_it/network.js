// The shipped network, step by step in plain arithmetic: {answer(seen) -> ten probabilities}. What it computes with
// comes from the page, where helpers.reporting.try_model put it.
(() => {
  "use strict";

  // The loop that nearly all the time goes into; on its own, so that a browser soon compiles it.
  const add = (sum, value, kernel, at) => {
    for (let o = 0; o < sum.length; o++) sum[o] += value * kernel[at + o];
  };

  // A field is {side, channels, values}: square, values by row, column and channel.
  const STEPS = {
    convolve(field, { side, padding, inputs, outputs }, take) {
      const kernel = take(side * side * inputs * outputs);
      const size = field.side + 2 * padding - side + 1;
      const values = new Float32Array(size * size * outputs);
      const sum = new Float64Array(outputs);
      for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) {
          sum.fill(0);
          for (let v = 0; v < side; v++) {
            const row = y + v - padding;
            if (row < 0 || row >= field.side) continue;
            for (let u = 0; u < side; u++) {
              const column = x + u - padding;
              if (column < 0 || column >= field.side) continue;
              const from = (row * field.side + column) * inputs;
              for (let i = 0; i < inputs; i++) {
                const value = field.values[from + i];
                if (value === 0) continue; // paper, and about half of what passes a ReLU
                add(sum, value, kernel, ((v * side + u) * inputs + i) * outputs);
              }
            }
          }
          values.set(sum, (y * size + x) * outputs);
        }
      }
      return { side: size, channels: outputs, values };
    },
    pool({ side, channels, values }) {
      const half = side >> 1;
      const highest = new Float32Array(half * half * channels);
      for (let y = 0; y < half; y++) {
        for (let x = 0; x < half; x++) {
          const from = (2 * y * side + 2 * x) * channels;
          const below = from + side * channels;
          for (let c = 0; c < channels; c++) {
            highest[(y * half + x) * channels + c] = Math.max(
              values[from + c], values[from + channels + c], values[below + c], values[below + channels + c]);
          }
        }
      }
      return { side: half, channels, values: highest };
    },
    scale(field, { channels }, take) {
      const [scale, shift] = [take(channels), take(channels)];
      return { ...field, values: field.values.map((value, i) => value * scale[i % channels] + shift[i % channels]) };
    },
    relu(field) {
      return { ...field, values: field.values.map((value) => Math.max(value, 0)) };
    },
    highest({ channels, values }) {
      const most = new Float32Array(channels).fill(-Infinity);
      values.forEach((value, i) => { most[i % channels] = Math.max(most[i % channels], value); });
      return { side: 1, channels, values: most };
    },
    dense({ values }, { inputs, outputs }, take) {
      const [kernel, bias] = [take(inputs * outputs), take(outputs)];
      const sums = Float64Array.from(bias);
      for (let i = 0; i < inputs; i++) add(sums, values[i], kernel, i * outputs);
      return { side: 1, channels: outputs, values: Float32Array.from(sums) };
    },
  };

  const softmax = (logits) => {
    const most = Math.max(...logits);
    const powers = Array.from(logits, (logit) => Math.exp(logit - most));
    const whole = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / whole);
  };

  // steps and weights as exported, temperature: what logits are divided by.
  const network = ({ steps, weights, temperature }) => ({
    answer(seen) {
      let field = { side: 28, channels: 1, values: Float32Array.from(seen, (value) => value / 255) };
      let at = 0;
      const take = (n) => weights.subarray(at, (at += n));
      for (const step of steps) field = STEPS[step.kind](field, step, take);
      return softmax(field.values.map((logit) => logit / temperature));
    },
  });

  Object.assign(window.Digits, { network });
})();
