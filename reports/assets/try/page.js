// The page: what lies on the paper is prepared, read and shown. Runs from file://, asks no network for anything.
(() => {
  "use strict";
  const { Blank, SIDE, addPoints, load, noInk, paintGrey, prepare, readFile, sheet, wirePaper } = window.Digits;
  const NEIGHBOURS = 5;
  const one = (selector) => document.querySelector(selector);

  // Rounded down, as the table of helpers.predict: 100% is never claimed.
  const percent = (share) => `${(Math.min(Math.floor(share * 1000), 999) / 10).toFixed(1)}%`;

  const BLANK = new Uint8Array(SIDE * SIDE);
  const showSeen = (canvas, seen) => paintGrey(canvas, { height: SIDE, width: SIDE, values: seen || BLANK }, true);

  const UNKNOWN = "a digit it was not made for?";

  const wireAnswer = ({ threshold, digits }) => {
    const verdict = one("#verdict");
    const bars = [...document.querySelectorAll(".bars li")].map((row) => ({
      row,
      bar: row.querySelector(".bar-ink"),
      value: row.querySelector(".value"),
    }));
    const neighbours = Array.from({ length: NEIGHBOURS }, () => {
      const item = document.createElement("li");
      const canvas = document.createElement("canvas");
      const label = document.createElement("span");
      canvas.setAttribute("aria-hidden", "true");
      item.append(canvas, label);
      one("#nearest").append(item);
      return { canvas, label };
    });

    const show = ({ digit = "", headline, detail, kind, chances = [], seen = null, near = [], facts = "" }) => {
      one("#digit").textContent = digit;
      one("#headline").textContent = headline;
      one("#detail").textContent = detail;
      verdict.dataset.kind = kind;
      bars.forEach(({ row, bar, value }, i) => {
        bar.style.width = `${100 * (chances[i] || 0)}%`;
        value.textContent = chances.length ? percent(chances[i]) : "–";
        row.classList.toggle("first", chances.length > 0 && String(i) === String(digit));
      });
      showSeen(one("#seen"), seen);
      neighbours.forEach(({ canvas, label }, i) => {
        showSeen(canvas, near[i] && near[i].seen);
        label.textContent = near[i] ? near[i].label : "–";
      });
      one("#facts").textContent = facts;
    };
    const nothing = () => show({
      headline: "Nothing here yet", detail: "Draw a digit, or take one of those below.", kind: "none",
    });
    const problem = (headline, text) => show({ headline, detail: text, kind: "none" });
    const answer = ({ chances, seen, polarity, doubt: found, near, about, milliseconds }) => {
      // The lowest digit on ties.
      const [first, second] = [...chances.keys()].sort((a, b) => chances[b] - chances[a]);
      const doubt = found || (digits.includes(first) ? "" : UNKNOWN);
      const accepted = !doubt && chances[first] >= threshold;
      const next = chances[second] < 0.001 ? "no other above 0.1%" : `next ${second}, ${percent(chances[second])}`;
      show({
        digit: String(first),
        headline: accepted ? "Read by the machine" : "Send to a human",
        detail: `${doubt ? `${doubt} ` : ""}${percent(chances[first])} sure; ${next}`,
        kind: accepted ? "machine" : "human",
        chances, seen, near,
        facts: `${about}Found: ${polarity.replaceAll("-", " ")}. Prepared and read in ${milliseconds.toFixed(0)} ms.`,
      });
    };
    const sentence = () =>
      [one("#digit").textContent, one("#headline").textContent, one("#detail").textContent].filter(Boolean).join(". ");
    return { nothing, problem, answer, sentence };
  };

  const wireExamples = (examples, choose) => {
    for (const { from, label, grey } of examples) {
      const button = document.createElement("button");
      const canvas = document.createElement("canvas");
      paintGrey(canvas, grey, true);
      canvas.setAttribute("aria-hidden", "true");
      button.type = "button";
      button.title = from;
      button.setAttribute("aria-label", `A ${label}, ${from}`);
      button.append(canvas);
      button.addEventListener("click", () => choose(grey, `${from}: its label is ${label}. `));
      const item = document.createElement("li");
      item.append(button);
      one(from.startsWith("MNIST") ? "#examples-mnist" : "#examples-small").append(item);
    }
  };

  // Files come from the button, from a drop anywhere on the page, or from the clipboard.
  const wireFiles = (take) => {
    const input = one("#file");
    const first = (list) => [...(list || [])].find(Boolean);
    one("#choose").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const file = first(input.files);
      input.value = ""; // the same file may be chosen again
      if (file) take(file);
    });
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      one(".paper").classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) one(".paper").classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      one(".paper").classList.remove("over");
      const file = first(event.dataTransfer.files);
      if (file) take(file);
    });
    document.addEventListener("paste", (event) => {
      const file = first(event.clipboardData && event.clipboardData.files);
      if (file) take(file);
    });
  };

  // A browser compiles what has run a few times; the first drawing should not have to wait for that.
  const warmUp = (read, times) => {
    if (!times) return;
    setTimeout(() => {
      const ink = noInk();
      addPoints(ink, { points: [[0.5, 0.2], [0.5, 0.8]], width: 0.08 });
      read(prepare(sheet(ink, false)));
      warmUp(read, times - 1);
    }, 50);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const loaded = performance.now();
    const model = load(one("#model").textContent);
    const answer = wireAnswer(model);
    const [thickness, chalk, undo] = [one("#thickness"), one("#chalk"), one("#undo")];
    let failure = "";
    let waiting = false;

    const read = () => {
      const grey = paper.content();
      if (failure) { answer.problem("No picture", failure); return; }
      if (!grey) { answer.nothing(); return; }
      const start = performance.now();
      try {
        const found = model.read(prepare(grey));
        const near = model.nearest(found.seen, NEIGHBOURS);
        const milliseconds = performance.now() - start;
        answer.answer({ ...found, near, about: paper.about(), milliseconds });
        performance.measure("digits:read", { start });
      } catch (problem) {
        if (!(problem instanceof Blank)) throw problem;
        answer.problem("No digit here", problem.message);
      }
    };
    // While a stroke is drawn it is read once a frame; the end of it is read at once, and said.
    const onChange = (finished) => {
      failure = "";
      undo.disabled = !paper.canUndo();
      one("#hint").hidden = true;
      if (finished) {
        read();
        one("#said").textContent = answer.sentence();
      } else if (!waiting) {
        waiting = true;
        requestAnimationFrame(() => { waiting = false; read(); });
      }
    };
    chalk.checked = document.documentElement.dataset.theme === "dark";
    const paper = wirePaper(one("#paper"), {
      width: () => thickness.value / 100, chalk: () => chalk.checked, onChange: (finished) => onChange(finished),
    });

    undo.addEventListener("click", paper.undo);
    one("#clear").addEventListener("click", paper.clear);
    const showThickness = () => one("#dot").style.setProperty("--thickness", thickness.value);
    thickness.addEventListener("input", showThickness);
    chalk.addEventListener("change", paper.repaint);
    wireExamples(model.examples, paper.show);
    wireFiles(async (file) => {
      try {
        paper.show(await readFile(file));
      } catch (problem) {
        if (!(problem instanceof Blank)) throw problem;
        paper.clear();
        failure = problem.message;
        read();
        one("#said").textContent = answer.sentence();
      }
    });
    showThickness();
    one(".desk").hidden = false;
    one(".examples button").click();
    one("#hint").hidden = false;
    performance.measure("digits:first", { start: loaded });
    warmUp(model.read, 4);
  });
})();
