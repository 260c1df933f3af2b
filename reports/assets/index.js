// The front page's tools: the claims in another order or only some of them, and a search through all reports.
// Runs from file://: what is searched comes from assets/search.js, a script like this one.
(() => {
  "use strict";
  const one = (selector) => document.querySelector(selector);

  // Claims ---------------------------------------------------------------------------------------------------
  const wireClaims = () => {
    const tools = one(".claims .tools");
    const table = one(".scoreboard");
    if (!tools || !table) return;
    const order = tools.querySelector("[data-order]");
    const filters = [...tools.querySelectorAll("[data-filter]")];
    const status = tools.querySelector('[role="status"]');
    const lines = [...table.querySelectorAll("tr.line")];
    const home = new Map(lines.map((line) => [line, line.parentElement]));
    const heads = [...table.querySelectorAll("th[data-key]")];
    const verdicts = ["reproduced", "higher", "lower", "undecided", "short budget", "not comparable", "not yet run"];
    const pool = document.createElement("tbody");
    pool.setAttribute("role", "rowgroup");
    let upward = false;

    const key = (line) => {
      if (order.value === "verdict") return -verdicts.indexOf(line.dataset.verdict);
      return line.dataset[order.value] === undefined ? null : Number(line.dataset[order.value]);
    };
    const sort = () => {
      table.classList.toggle("sorted", Boolean(order.value));
      if (!order.value) {
        lines.forEach((line) => home.get(line).append(line));
        pool.remove();
      } else {
        const sign = (order.value === "seconds") !== upward ? 1 : -1;
        const placed = [...lines].sort((a, b) => {
          const [p, q] = [key(a), key(b)];
          if (p === null || q === null) return (p === null) - (q === null); // what is not known comes last
          return sign * (p - q);
        });
        pool.append(...placed);
        table.append(pool);
      }
      for (const head of heads) {
        const own = order.value === head.dataset.key;
        const rising = (order.value === "seconds" || order.value === "verdict") !== upward;
        head.setAttribute("aria-sort", own ? (rising ? "ascending" : "descending") : "none");
      }
    };
    // On a phone each project's rows wait under its name until it is pressed.
    const groups = [...table.querySelectorAll("tr.source")];
    const fold = (group, folded) => {
      group.parentElement.classList.toggle("folded", folded);
      group.querySelector("button").setAttribute("aria-expanded", String(!folded));
    };
    for (const group of groups) {
      const title = group.querySelector(".title");
      const button = document.createElement("button");
      button.type = "button";
      button.append(...title.childNodes);
      title.append(button);
      button.addEventListener("click", () => fold(group, !group.parentElement.classList.contains("folded")));
      fold(group, window.matchMedia("(max-width: 640px)").matches);
    }
    const claims = (some) => new Set(some.map((line) => line.dataset.claim)).size;
    const filter = () => {
      if (filters.some(({ value }) => value)) groups.forEach((group) => fold(group, false));
      for (const line of lines) {
        line.hidden = filters.some(({ value, dataset }) => value && line.dataset[dataset.filter] !== value);
      }
      for (const group of groups) {
        group.hidden = lines.every((line) => line.hidden || home.get(line) !== group.parentElement);
      }
      const [n, all] = [claims(lines.filter((line) => !line.hidden)), claims(lines)];
      status.textContent = n === all ? `All ${n} claims` : `${n} of ${all} claims`;
    };
    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const again = order.value === head.dataset.key;
        upward = again && !upward;
        order.value = again && !upward ? "" : head.dataset.key; // a third press: as published
        sort();
      });
    }
    order.addEventListener("change", () => { upward = false; sort(); });
    filters.forEach((select) => select.addEventListener("change", filter));
    tools.hidden = false;
    sort(); // a browser may have kept choices over a reload
    filter();
    // A link to a claim that is filtered out or folded away shows it after all.
    const reveal = () => {
      const line = document.getElementById(decodeURIComponent(location.hash.slice(1)));
      if (!line || !home.has(line)) return;
      if (line.hidden) {
        filters.forEach((select) => { select.value = ""; });
        filter();
      }
      fold(home.get(line).querySelector("tr.source"), false);
      line.scrollIntoView();
    };
    window.addEventListener("hashchange", reveal);
    reveal();
  };

  // Models: folded tables open where a link leads into them, and on paper ---------------------------------------
  const wireModels = () => {
    const folded = [...document.querySelectorAll(".models details")];
    let before = [];
    if (window.matchMedia("(max-width: 640px)").matches) folded.forEach((each) => { each.open = false; });
    window.addEventListener("beforeprint", () => {
      before = folded.map((each) => each.open);
      folded.forEach((each) => { each.open = true; });
    });
    window.addEventListener("afterprint", () => folded.forEach((each, i) => { each.open = before[i]; }));
  };

  // Search ---------------------------------------------------------------------------------------------------
  const MOST = 12;
  const AROUND = 70; // characters of context on each side of a find

  // One folded character for each of the original, so that places in one are places in the other.
  const fold = (text) => [...text.normalize("NFC")].map((c) => {
    const plain = c.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    return plain.length === c.length ? plain : c;
  }).join("").replace(/[‐-―−]/g, "-").replace(/[‘’]/g, "'");

  const isWord = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c);
  // Where a word begins with the term; else, for terms of three characters and more, anywhere.
  const places = (text, term) => {
    const found = [], inside = [];
    for (let at = text.indexOf(term); at >= 0 && found.length < 50; at = text.indexOf(term, at + 1)) {
      (isWord(text[at - 1]) && isWord(term[0]) ? inside : found).push(at);
    }
    return found.length || term.length < 3 ? found : inside;
  };

  const wireSearch = () => {
    const box = one(".finder");
    if (!box || !Array.isArray(window.DIGITS_TEXT)) return;
    const input = box.querySelector("input");
    const list = box.querySelector("ol");
    const status = box.querySelector('[role="status"]');
    let sections = null;

    const prepare = () => {
      sections = sections || window.DIGITS_TEXT.flatMap(([page, title, parts]) => parts.map(([anchor, heading, text]) => {
        const plain = text.normalize("NFC");
        return { page, title, anchor, heading, text: plain, folded: fold(plain), head: fold(`${heading} ${title}`) };
      }));
    };
    const score = (section, terms) => {
      let sum = 0;
      for (const term of terms) {
        const above = places(section.head, term).length;
        const within = places(section.folded, term).length;
        if (!above && !within) return 0;
        sum += 8 * Math.min(above, 1) + Math.log2(1 + within);
      }
      return sum + (terms.length > 1 && section.folded.includes(terms.join(" ")) ? 6 : 0);
    };
    const marked = (element, text, folded, terms) => {
      const spans = terms.flatMap((term) => places(folded, term).map((at) => [at, at + term.length])).sort((a, b) => a[0] - b[0]);
      let done = 0;
      for (const [from, to] of spans) {
        if (from < done) continue;
        const mark = document.createElement("mark");
        mark.textContent = text.slice(from, to);
        element.append(text.slice(done, from), mark);
        done = to;
      }
      element.append(text.slice(done));
    };
    const snippet = (section, terms) => {
      const joined = terms.length > 1 ? section.folded.indexOf(terms.join(" ")) : -1;
      const first = joined >= 0 ? joined : Math.min(...terms.flatMap((term) => places(section.folded, term).slice(0, 1)), section.folded.length);
      const centre = first < section.folded.length ? first : 0;
      let from = Math.max(0, centre - AROUND), to = Math.min(section.text.length, centre + 2 * AROUND);
      while (from > 0 && isWord(section.text[from - 1])) from -= 1;
      while (to < section.text.length && isWord(section.text[to])) to += 1;
      const element = document.createElement("span");
      element.className = "snippet";
      if (from > 0) element.append("… ");
      marked(element, section.text.slice(from, to), section.folded.slice(from, to), terms);
      if (to < section.text.length) element.append(" …");
      return element;
    };
    const show = () => {
      prepare();
      const terms = fold(input.value).split(/\s+/).filter((term) => isWord(term[0]) || term.length > 1 || "=%".includes(term)).filter((t) => /[\p{L}\p{N}]/u.test(t));
      list.replaceChildren();
      if (!terms.length || terms.join("").length < 2) { status.textContent = ""; return; }
      const found = sections.map((section) => [score(section, terms), section]).filter(([points]) => points > 0).sort((a, b) => b[0] - a[0]);
      for (const [, section] of found.slice(0, MOST)) {
        const item = document.createElement("li");
        const link = document.createElement("a");
        const title = document.createElement("strong");
        link.href = `${section.page}.html${section.anchor ? `#${section.anchor}` : ""}`;
        title.textContent = section.heading || section.title;
        link.append(title);
        if (section.heading) link.append(` in ${section.title}`);
        link.append(snippet(section, terms));
        item.append(link);
        list.append(item);
      }
      const n = found.length;
      status.textContent = n === 0 ? "Nothing found" : `${n} section${n === 1 ? "" : "s"} found${n > MOST ? `, the best ${MOST} shown` : ""}`;
    };
    const links = () => [...list.querySelectorAll("a")];
    const clear = () => { input.value = ""; show(); input.focus(); };

    input.addEventListener("input", show);
    box.addEventListener("keydown", (event) => {
      const all = links();
      const at = all.indexOf(document.activeElement);
      if (event.key === "Escape") { clear(); event.preventDefault(); }
      else if (event.key === "Enter" && document.activeElement === input && all.length) { all[0].click(); }
      else if (event.key === "ArrowDown" && all.length) { all[Math.min(at + 1, all.length - 1)].focus(); event.preventDefault(); }
      else if (event.key === "ArrowUp" && at >= 0) { (at ? all[at - 1] : input).focus(); event.preventDefault(); }
    });
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest && event.target.closest("input, select, textarea");
      if (event.key !== "/" || busy || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.focus();
    });
    const button = one('[data-switch="search"]');
    if (button) {
      button.hidden = false;
      button.addEventListener("click", () => { input.focus(); box.scrollIntoView({ block: "center" }); });
    }
    box.hidden = false;
    if (location.hash === "#words") input.focus(); // where the reports' own link leads
    if (input.value) show(); // kept over a reload
  };

  // search.js, deferred too, has run by then.
  document.addEventListener("DOMContentLoaded", () => { wireClaims(); wireModels(); wireSearch(); });
})();
