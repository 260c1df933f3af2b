// The field that is drawn on: mouse, finger and pen, or the keyboard's arrows; an image may lie on it instead.
// Knows strokes and what undo takes back; says what lies on it, and leaves reading it to others.
(() => {
  "use strict";
  const { noInk, addPoints, paintGrey, sheet } = window.Digits;
  const STEP = 0.025; // of the side, for one press of an arrow

  // onChange(finished): something new lies on the paper; `finished` is false in the middle of a stroke.
  const wirePaper = (canvas, { width, chalk, onChange }) => {
    const context = canvas.getContext("2d");
    const cursor = { x: 0.5, y: 0.5, down: false, shown: false };
    const history = []; // strokes, images ({grey}) and clearings (null), oldest first
    let stroke = null;
    let pointer = null; // the mouse, pen or finger that draws it
    let ink = noInk(); // what the strokes that lie on the paper cover

    // Only what came after the last image or clearing lies on the paper.
    const layer = () => {
      const start = history.findLastIndex((item) => !item || item.grey);
      const below = start < 0 ? null : history[start];
      return { below, strokes: history.slice(start + 1) };
    };
    const content = () => {
      const { below, strokes } = layer();
      if (strokes.length) return sheet(ink, chalk());
      return below ? below.grey : null;
    };

    const paintImage = (grey, side) => {
      const small = document.createElement("canvas");
      paintGrey(small, grey);
      const { height, width: columns } = grey;
      const scale = side / Math.max(height, columns);
      context.imageSmoothingEnabled = scale < 2;
      context.drawImage(small, (side - columns * scale) / 2, (side - height * scale) / 2, columns * scale, height * scale);
    };
    const paint = () => {
      const side = canvas.width;
      const [ground, ink] = chalk() ? ["#000000", "#ffffff"] : ["#ffffff", "#000000"];
      const { below, strokes } = layer();
      context.fillStyle = ground;
      context.fillRect(0, 0, side, side);
      if (below && !strokes.length) paintImage(below.grey, side);
      Object.assign(context, { strokeStyle: ink, lineCap: "round", lineJoin: "round" });
      for (const { points, width: thick } of strokes) {
        context.lineWidth = thick * side;
        context.beginPath();
        context.moveTo(points[0][0] * side, points[0][1] * side);
        for (const [x, y] of points) context.lineTo(x * side, y * side);
        context.stroke();
      }
      if (!cursor.shown || document.activeElement !== canvas) return;
      const radius = Math.max((width() * side) / 2, 4);
      [["#ffffff", 6], ["#14507f", 3]].forEach(([colour, thick]) => {
        Object.assign(context, { strokeStyle: colour, lineWidth: (thick * side) / 640 });
        context.beginPath();
        context.arc(cursor.x * side, cursor.y * side, radius + side / 80, 0, 2 * Math.PI);
        context.stroke();
      });
    };
    const changed = (finished) => { paint(); onChange(finished); };

    // As many canvas pixels as the screen has.
    const fit = () => {
      const side = Math.max(1, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
      if (canvas.width === side) return;
      canvas.width = canvas.height = side;
      paint();
    };

    const begin = (point) => {
      if (!layer().strokes.length) ink = noInk();
      stroke = { points: [point], width: width() };
      history.push(stroke);
      addPoints(ink, stroke);
      changed(false);
    };
    const extend = (points) => {
      stroke.points.push(...points);
      addPoints(ink, stroke, stroke.points.length - points.length);
      changed(false);
    };
    const end = () => { // also of what a held-down pen or finger draws: what it moves on to is no part of anything
      stroke = pointer = null;
      cursor.down = false;
      changed(true);
    };

    const at = (event) => {
      const { left, top, width: side } = canvas.getBoundingClientRect();
      return [(event.clientX - left) / side, (event.clientY - top) / side];
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (pointer !== null || event.button !== 0) return;
      if (stroke) end();
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      cursor.shown = false;
      begin(at(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pointer) return;
      const between = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      extend((between.length ? between : [event]).map(at));
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        if (event.pointerId !== pointer) return;
        end();
      });
    }
    canvas.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press is a dot

    const clear = () => {
      if (history.at(-1)) history.push(null);
      end();
    };
    const undo = () => {
      history.pop();
      ink = noInk();
      layer().strokes.forEach((each) => addPoints(ink, each));
      end();
    };
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const keys = {
      " "() {
        if (cursor.down) { end(); return; }
        cursor.down = true;
        begin([cursor.x, cursor.y]);
      },
      Escape() { if (stroke) end(); },
      Delete: clear,
    };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || pointer !== null) return;
      const move = moves[event.key];
      if (!move && !keys[event.key]) return;
      event.preventDefault();
      cursor.shown = true;
      if (!move) { keys[event.key](); paint(); return; }
      const step = event.shiftKey ? STEP / 4 : STEP;
      cursor.x = Math.min(Math.max(cursor.x + move[0] * step, 0), 1);
      cursor.y = Math.min(Math.max(cursor.y + move[1] * step, 0), 1);
      if (cursor.down) extend([[cursor.x, cursor.y]]);
      else paint();
    });
    canvas.addEventListener("focus", paint);
    canvas.addEventListener("blur", () => { if (stroke && pointer === null) end(); else paint(); });
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
        event.preventDefault();
        undo();
      }
    });
    new ResizeObserver(fit).observe(canvas);
    fit();

    return {
      content,
      clear,
      undo,
      canUndo: () => history.length > 0,
      show: (grey, about = "") => { history.push({ grey, about }); end(); },
      about: () => {
        const { below, strokes } = layer();
        return below && !strokes.length ? below.about : "";
      },
      repaint: () => changed(true),
    };
  };

  Object.assign(window.Digits, { wirePaper });
})();
