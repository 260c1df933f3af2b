// Theme, code switch, contents and plotly figures of a report. Runs from file://, asks no network for anything.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 640px)");

  // Storage can be forbidden (private windows, file:// in some browsers): then choices last as long as the page.
  const recall = (key) => { try { return localStorage.getItem("digits:" + key); } catch { return null; } };
  const remember = (key, value) => {
    try {
      if (value === null) localStorage.removeItem("digits:" + key);
      else localStorage.setItem("digits:" + key, value);
    } catch { /* nothing to do */ }
  };

  // Theme: set before the first paint, since this script stands in the head.
  let chosen = recall("theme");
  const theme = () => (chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light");
  const showTheme = () => { root.dataset.theme = theme(); };
  showTheme();

  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // A custom property may hold light-dark(...): only a painted colour is resolved.
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };

  // Plotly figures -------------------------------------------------------------------------------------------
  const drawn = new Map(); // canvas element -> width of its page column at the last drawing
  const config = {
    responsive: true,
    displaylogo: false,
    showSendToCloud: false,
    // Where nothing hovers the bar would stay on for ever, over the chart.
    displayModeBar: window.matchMedia("(hover: hover) and (pointer: fine)").matches ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "png", scale: 2 },
  };

  // A figure that brings its own paper keeps it, with all colours that were chosen to stand on it. What has none,
  // plotly's defaults or those of figures.style takes on the page's.
  const PLAIN = /^(white|#fff(fff)?|#fcfbf8|#E5ECF6|rgba?\((255, *255, *255|0, *0, *0, *0|229, *236, *246).*|transparent)$/i;
  const ownPaper = (layout) => {
    const style = (layout.template && layout.template.layout) || {};
    if ((layout.meta && layout.meta.themed) || (style.meta && style.meta.themed)) return false;
    return [layout.paper_bgcolor, layout.plot_bgcolor, style.paper_bgcolor, style.plot_bgcolor].some(
      (ground) => typeof ground === "string" && !PLAIN.test(ground.trim()));
  };

  // What of a layout, as plotly has filled it in, takes which colour; on paper the printer's.
  const AXIS = /^([xy]axis|angularaxis|radialaxis|realaxis|imaginaryaxis|[abc]axis|zaxis|lonaxis|lataxis)\d*$/;
  const PLACE = /^(scene|polar|ternary|smith|geo)\d*$/;
  const themed = (layout, paper) => {
    const ink = colour(paper ? "--print-ink" : "--ink");
    const soft = colour(paper ? "--print-grid" : "--grid");
    const ground = colour(paper ? "--print-paper" : "--paper");
    const clear = "rgba(0,0,0,0)";
    const changes = {
      "font.color": ink,
      "title.font.color": ink,
      paper_bgcolor: clear,
      plot_bgcolor: clear,
      "hoverlabel.bgcolor": ground,
      "hoverlabel.bordercolor": soft,
      "hoverlabel.font.color": ink,
      "legend.bgcolor": clear,
      "modebar.bgcolor": clear,
      "modebar.color": colour("--muted"),
      "modebar.activecolor": ink,
    };
    const axis = (path) => {
      for (const line of ["gridcolor", "zerolinecolor", "linecolor", "tickcolor"]) changes[`${path}.${line}`] = soft;
    };
    for (const [name, value] of Object.entries(layout)) {
      if (AXIS.test(name)) axis(name);
      else if (PLACE.test(name)) {
        changes[`${name}.bgcolor`] = clear;
        for (const inner of Object.keys(value)) {
          if (!AXIS.test(inner)) continue;
          axis(`${name}.${inner}`);
          if (/^scene/.test(name)) changes[`${name}.${inner}.backgroundcolor`] = clear;
        }
        if (/^geo/.test(name)) {
          Object.assign(changes, { [`${name}.landcolor`]: soft, [`${name}.lakecolor`]: clear, [`${name}.coastlinecolor`]: soft });
        }
      }
      // Plotly's menus are light, whatever the page is.
      if (name === "updatemenus" || name === "sliders") {
        value.forEach((menu, i) => {
          changes[`${name}[${i}].bgcolor`] = ground;
          changes[`${name}[${i}].bordercolor`] = soft;
          changes[`${name}[${i}].font.color`] = ink;
        });
      }
    }
    return changes;
  };

  // Without WebGL a chart's description stands where it would have been drawn, in place of plotly's own complaint.
  const webgl = () => Boolean(document.createElement("canvas").getContext("webgl"));

  // Columns in which something is written need room for it: how wide a chart must be, whatever the phone.
  const COLUMN = 34; // px, "99.9" in letters of 12 px
  const columnsOf = (trace) => {
    if (trace.z && trace.z.shape) return Number(String(trace.z.shape).split(",")[1]); // numbers packed by plotly.py
    return Array.isArray(trace.z) && Array.isArray(trace.z[0]) ? trace.z[0].length : 0;
  };
  const needed = (data, layout) => {
    const fields = data.filter((trace) => trace.type === "heatmap" && (trace.texttemplate || trace.text || layout.annotations));
    const columns = Math.max(0, ...fields.map(columnsOf));
    if (columns <= 6) return 0;
    const names = fields.flatMap((trace) => (Array.isArray(trace.y) ? trace.y.map((name) => String(name).length) : []));
    return columns * COLUMN + 7 * Math.max(4, ...names) + 40;
  };

  // On a phone labels below a chart lie on each other, or are left out: slanted, fewer or thinned out they can be read.
  const fitLabels = (data, layout, room) => {
    for (const [name, axis] of Object.entries(layout)) {
      if (!/^xaxis\d*$/.test(name)) continue;
      const [from, to] = axis.domain || [0, 1];
      const values = axis.tickvals, words = axis.ticktext;
      if (!values && axis.type !== "log" && to - from < 0.45) { // panels side by side
        Object.assign(axis, { dtick: undefined, nticks: 4 });
      } else if (Array.isArray(values) && Array.isArray(words) && axis.type === "log") {
        const places = values.map(Math.log);
        const scale = (0.4 * (to - from) * room) / (Math.max(...places) - Math.min(...places) || 1); // px, at least
        let kept = -1;
        axis.ticktext = words.map((word, i) => {
          const needs = kept < 0 ? 0 : 3.5 * (String(word).length + String(words[kept]).length) + 6;
          if (kept >= 0 && (places[i] - places[kept]) * scale < needs) return "";
          kept = i;
          return word;
        });
      } else if (Array.isArray(words) && axis.tickangle === undefined && data.some((trace) => trace.type === "heatmap")) {
        const longest = Math.max(...words.map((word) => 7 * String(word).length));
        if (longest * words.length > 0.7 * room) axis.tickangle = -40;
      }
    }
  };

  const draw = async (figure) => {
    const canvas = figure.querySelector(".canvas");
    const island = figure.querySelector('script[type="application/json"]');
    if (!canvas || !island || drawn.has(canvas) || typeof window.Plotly === "undefined") return;
    drawn.set(canvas, true);
    delete figure.dataset.waits;
    const standIn = canvas.querySelector(".stand-in");
    if ((figure.dataset.needs || "").includes("webgl") && !webgl()) {
      const word = document.createElement("p");
      word.className = "quiet";
      word.textContent = "This browser has no WebGL, which the chart is drawn with.";
      canvas.append(word);
      figure.dataset.drawn = "words";
      return;
    }
    try {
      const { data, layout, frames } = JSON.parse(island.textContent);
      const own = ownPaper(layout);
      if (!layout.width) layout.autosize = true;
      // A finger that scrolls the page must not zoom the chart.
      if (window.matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
      if (narrow.matches) {
        layout.font = { ...(layout.font || {}), size: 12 };
        fitLabels(data, layout, canvas.clientWidth);
      }
      const width = Math.max(narrow.matches ? needed(data, layout) : 0, layout.width || 0);
      if (width > canvas.clientWidth) {
        Object.assign(layout, { width, autosize: false });
        canvas.classList.add("sliding");
      } else if (narrow.matches && layout.yaxis && layout.yaxis.scaleanchor) {
        // A square field beside its colour bar needs no more height than the phone is wide.
        layout.height = Math.min(layout.height, canvas.clientWidth);
        canvas.style.minHeight = "";
      }
      if (standIn) standIn.remove();
      await window.Plotly.newPlot(canvas, { data, layout, frames, config });
      if (own) drawn.set(canvas, "own");
      else await window.Plotly.relayout(canvas, themed(canvas._fullLayout, false));
      figure.dataset.drawn = "yes";
      if (canvas.classList.contains("sliding")) cue(canvas);
    } catch (problem) {
      if (standIn) canvas.replaceChildren(standIn);
      figure.dataset.drawn = "failed";
      console.error("A figure could not be drawn:", problem);
    }
  };

  const repaint = (paper) => {
    for (const [canvas, whose] of drawn) {
      if (canvas._fullLayout && whose !== "own") window.Plotly.relayout(canvas, themed(canvas._fullLayout, paper));
    }
  };

  const watchFigures = () => {
    const figures = all("figure.plot");
    // Words that a drawing will take away are not there to be found before.
    if (typeof window.Plotly !== "undefined") figures.forEach((figure) => { figure.dataset.waits = ""; });
    if (!("IntersectionObserver" in window)) { figures.forEach(draw); return; }
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
      }
    }, { rootMargin: "900px 0px" });
    figures.forEach((figure) => near.observe(figure));
    // The rest follow when the browser has nothing better to do, so that find, print and jumps meet drawn figures.
    const idle = window.requestIdleCallback || ((work) => setTimeout(work, 200));
    const next = () => {
      const figure = figures.find((each) => !each.dataset.drawn && !drawn.has(each.querySelector(".canvas")));
      if (figure) draw(figure).then(() => idle(next));
    };
    setTimeout(() => idle(next), 1500);
  };

  // On paper: light colours, and as wide as the sheet.
  const PAPER_WIDTH = 640;
  const widths = new Map();
  // One table wider than the sheet would have the browser shrink all of it: such a table alone is made smaller.
  const tables = () => all(".scroll > table").filter((table) => !table.parentElement.closest("details:not([open])"));
  window.addEventListener("beforeprint", () => {
    for (const table of tables()) {
      const { style } = table;
      Object.assign(style, { width: "min-content", fontSize: "8pt", zoom: "" });
      const ratio = PAPER_WIDTH / table.offsetWidth;
      Object.assign(style, { width: "", fontSize: "", zoom: ratio < 1 ? ratio.toFixed(3) : "" });
    }
  });
  window.addEventListener("afterprint", () => tables().forEach((table) => { table.style.zoom = ""; }));
  window.addEventListener("beforeprint", () => {
    if (typeof window.Plotly === "undefined") return;
    all("figure.plot").forEach(draw);
    for (const [canvas, whose] of drawn) {
      if (!canvas._fullLayout) continue;
      widths.set(canvas, canvas.layout.autosize ? null : canvas.layout.width);
      window.Plotly.relayout(canvas, { ...(whose === "own" ? {} : themed(canvas._fullLayout, true)), width: PAPER_WIDTH });
    }
  });
  window.addEventListener("afterprint", () => {
    for (const [canvas, width] of widths) window.Plotly.relayout(canvas, { width, autosize: width === null });
    repaint(false);
  });

  // What runs past its edge ----------------------------------------------------------------------------------
  // A shadow says on which side more is to be found (report.css), and only then does the keyboard stop here.
  const cue = (box) => {
    const more = () => {
      const beyond = box.scrollWidth - box.clientWidth;
      const sides = [box.scrollLeft > 2 && "left", beyond - box.scrollLeft > 2 && "right"].filter(Boolean).join(" ");
      if (beyond > 2 && getComputedStyle(box).overflowX !== "visible") {
        box.dataset.past = sides;
        box.tabIndex = 0;
        if (!box.hasAttribute("role")) box.setAttribute("role", "group");
        if (!box.hasAttribute("aria-label") && !box.hasAttribute("aria-labelledby")) {
          box.setAttribute("aria-label", box.tagName === "PRE" ? "Code or text, wider than the page" : "Wider than the page");
        }
      } else {
        delete box.dataset.past;
        if (box.scrollHeight <= box.clientHeight + 2) box.removeAttribute("tabindex");
      }
    };
    // Loose text cannot be laid under the shadow: it is given an element of its own.
    if (box.tagName === "PRE" && (box.childNodes.length !== 1 || box.firstChild.nodeType !== Node.ELEMENT_NODE)) {
      const whole = document.createElement("span");
      whole.append(...box.childNodes);
      box.append(whole);
    }
    box.addEventListener("scroll", more, { passive: true });
    if ("ResizeObserver" in window) new ResizeObserver(more).observe(box);
    more();
  };
  const wireEdges = () => {
    for (const formula of all('math[display="block"]')) { // cannot be a box with a shadow itself
      const box = document.createElement("span");
      box.className = "formula";
      formula.replaceWith(box);
      box.append(formula);
    }
    all(".scroll, .pan, .formula, pre").forEach(cue);
  };

  // Copying code ---------------------------------------------------------------------------------------------
  // A page from disk may have no clipboard to write to: then a selection is copied, as with the keyboard.
  const toClipboard = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      field.setAttribute("readonly", "");
      field.className = "hidden";
      const before = document.activeElement;
      document.body.append(field);
      field.focus({ preventScroll: true });
      field.select();
      let done = false;
      try { done = document.execCommand("copy"); } catch { /* said below */ }
      field.remove();
      if (before) before.focus({ preventScroll: true });
      return done;
    }
  };
  const wireCopying = () => {
    const blocks = all("details.code pre, .prose pre, .said pre, main > pre.listing");
    if (!blocks.length) return;
    const said = document.createElement("p");
    said.className = "hidden";
    said.setAttribute("role", "status");
    (one("main") || document.body).append(said);
    for (const block of blocks) {
      const box = document.createElement("div");
      const button = document.createElement("button");
      box.className = "copyable";
      button.type = "button";
      button.textContent = "Copy";
      button.setAttribute("aria-label", "Copy this code");
      block.replaceWith(box);
      box.append(block, button);
      button.addEventListener("click", async () => {
        const done = await toClipboard(block.textContent.replace(/\n$/, ""));
        button.textContent = done ? "Copied" : "Not copied";
        said.textContent = "";
        said.textContent = done ? "Code copied" : "This browser does not let a page copy; select the code instead";
        setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2500);
      });
    }
  };

  // Controls -------------------------------------------------------------------------------------------------
  const wireTheme = () => {
    const button = one('[data-switch="theme"]');
    if (!button) return;
    const label = () => {
      const other = theme() === "dark" ? "Light" : "Dark";
      button.textContent = other;
      button.setAttribute("aria-label", `${other} colours`);
    };
    const change = () => { showTheme(); label(); repaint(false); };
    button.hidden = false;
    label();
    button.addEventListener("click", () => {
      const wanted = theme() === "dark" ? "light" : "dark";
      // Choosing what the system has anyway means: follow the system again.
      chosen = wanted === (dark.matches ? "dark" : "light") ? null : wanted;
      remember("theme", chosen);
      change();
    });
    dark.addEventListener("change", change);
  };

  const wireCode = () => {
    const button = one('[data-switch="code"]');
    const cells = all("details.code");
    if (!button || !cells.length) return;
    const show = (open) => {
      cells.forEach((cell) => { cell.open = open; });
      label(open);
    };
    const label = (open) => {
      button.setAttribute("aria-pressed", String(open));
      button.textContent = open ? "Hide code" : "Show code";
    };
    button.hidden = false;
    label(true);
    if (recall("code") === "hidden") show(false);
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      // What is being read stays where it is while code opens or folds above it.
      const anchor = all("article .cell").find((cell) => cell.getBoundingClientRect().bottom > 80);
      const before = anchor ? anchor.getBoundingClientRect().top : 0;
      show(open);
      if (anchor && window.scrollY > 0) window.scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
      remember("code", open ? null : "hidden");
    });
  };

  const wireContents = () => {
    const contents = one("nav.contents details");
    if (!contents) return;
    const wide = window.matchMedia("(min-width: 1100px)");
    const fit = () => { contents.open = wide.matches; };
    fit();
    wide.addEventListener("change", fit);
    const links = all("nav.contents a");
    links.forEach((link) => link.addEventListener("click", () => { if (!wide.matches) contents.open = false; }));
    const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    const mark = () => {
      waiting = false;
      let current = -1;
      targets.forEach((target, i) => { if (target && target.getBoundingClientRect().top < 140) current = i; });
      links.forEach((link, i) => {
        if (i === current) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
    };
    window.addEventListener("scroll", () => {
      if (!waiting) { waiting = true; requestAnimationFrame(mark); }
    }, { passive: true });
    mark();
  };

  // Atlases: cards that a page without scripts shows all open -------------------------------------------------
  const wireAtlas = (atlas) => {
    const tools = atlas.querySelector(".tools");
    const list = atlas.querySelector("ol");
    const status = atlas.querySelector('[role="status"]');
    const quiz = atlas.querySelector('[data-act="quiz"]');
    const cards = [...atlas.querySelectorAll("details")];
    const filters = [...atlas.querySelectorAll("[data-filter]")];
    const order = atlas.querySelector("[data-order]");
    const playing = () => atlas.hasAttribute("data-quiz");
    const group = `atlas-${all("figure.atlas").indexOf(atlas)}`;
    const fold = () => cards.forEach((card) => { card.open = false; card.setAttribute("name", group); });

    const fits = (card) => filters.every(({ dataset: { filter }, value }) => {
      if (!value) return true;
      if (filter !== "sure") return card.dataset[filter] === value;
      const [low, high] = value.split(" ").map(Number);
      return Number(card.dataset.sure) >= low && Number(card.dataset.sure) < high;
    });
    const shown = () => [...list.querySelectorAll("details")].filter((card) => !card.parentElement.hidden);
    const tally = () => {
      const tried = cards.filter((card) => card.dataset.guess !== undefined);
      const right = tried.filter((card) => card.dataset.guess === card.dataset.label).length;
      const misled = tried.filter((card) => card.dataset.guess === card.dataset.read && card.dataset.read !== card.dataset.label).length;
      const score = playing() && tried.length
        ? ` · you tried ${tried.length}: ${right} as labelled, ${misled} as the network` : "";
      const n = shown().length;
      status.textContent = `${n === cards.length ? `All ${n} images` : `${n} of ${cards.length} images`} shown${score}`;
    };
    const filter = () => {
      cards.forEach((card) => { card.parentElement.hidden = !fits(card); });
      tally();
    };
    const sort = () => {
      const by = (card) => Number(card.dataset.index);
      const sorted = order.value ? [...cards].sort((a, b) => by(a) - by(b)) : cards;
      list.append(...sorted.map((card) => card.parentElement));
    };

    // Can you read it? Ten buttons stand before a card's answer until one of them is pressed.
    const guess = (card, digit) => {
      card.dataset.guess = digit;
      card.querySelector(".yours").textContent = `You read ${digit}.`;
      card.open = true;
      tally();
    };
    const ask = (card) => {
      const row = document.createElement("div");
      row.className = "ask";
      row.setAttribute("role", "group");
      row.setAttribute("aria-label", "Your reading");
      for (const digit of "0123456789") {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = digit;
        button.addEventListener("click", () => { guess(card, digit); card.querySelector("summary").focus(); });
        row.append(button);
      }
      const yours = document.createElement("p");
      yours.className = "yours";
      card.querySelector("summary").after(row);
      card.querySelector(".more").prepend(yours);
    };
    quiz.addEventListener("click", () => {
      atlas.toggleAttribute("data-quiz");
      quiz.setAttribute("aria-pressed", String(playing()));
      cards.forEach((card) => {
        delete card.dataset.guess;
        card.open = false;
        if (!card.querySelector(".ask")) ask(card);
        card.querySelector(".yours").textContent = "";
      });
      tally();
    });
    atlas.querySelector('[data-act="reset"]').addEventListener("click", () => {
      filters.forEach((select) => { select.value = ""; });
      order.value = "";
      sort();
      filter();
    });
    filters.forEach((select) => select.addEventListener("change", filter));
    order.addEventListener("change", sort);
    list.addEventListener("keydown", (event) => {
      const card = event.target.closest("summary") && event.target.closest("details");
      if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const visible = shown();
        const next = visible[visible.indexOf(card) + step];
        if (next) next.querySelector("summary").focus();
        event.preventDefault();
      } else if (playing() && card.dataset.guess === undefined && /^[0-9]$/.test(event.key)) {
        guess(card, event.key);
      }
    });
    window.addEventListener("beforeprint", () => cards.forEach((card) => { card.removeAttribute("name"); card.open = true; }));
    window.addEventListener("afterprint", fold);

    fold();
    atlas.dataset.live = "";
    tools.hidden = false;
    filter(); // a browser may have kept choices over a reload
    sort();
  };

  document.addEventListener("DOMContentLoaded", () => {
    wireTheme();
    wireCode();
    wireContents();
    wireCopying();
    wireEdges();
    all("figure.atlas").forEach(wireAtlas);
    watchFigures();
  });
})();
