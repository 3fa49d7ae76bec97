// What judging writes into the page: the verdict of each row, its buttons, the counts, the bar. No text here is read as
// HTML. Attributes only, but for the buttons and the bar: other changes of markup would look like new results.

export const JUDGING = {
  0: ["0", "not relevant"], 1: ["1", "slightly relevant"], 2: ["2", "relevant"], 3: ["3", "highly relevant"],
  h: ["h", "hard negative"], u: ["u", "unrateable"], l: ["l", "judge later"],
};
const CHIPS = { h: "HN", u: "n/a", l: "later", s: "skip" };
const AHEAD = "600px"; // how far below the screen rows get their buttons

export function verdictOf(code, note = "") {
  const grade = /\d/.test(code) ? Number(code) : code === "h" ? 0 : null;
  const state = { u: "unrateable", l: "later" }[code] || "judged";
  return { relevance: grade, is_hard_negative: code === "h", state, note };
}

export function codeOf(verdict) {
  if (!verdict) return "";
  if (verdict.is_hard_negative) return "h";
  return verdict.relevance !== null ? String(verdict.relevance) : { unrateable: "u", later: "l", skipped: "s" }[verdict.state] || "";
}

const isJudged = (verdict) => Boolean(verdict) && verdict.relevance !== null;

// ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

export function paintRows(said, imported, on) {
  for (const row of document.querySelectorAll(".wb-row[data-doc]")) {
    const code = codeOf(said.get(row.dataset.doc));
    if ((row.dataset.verdict || "") !== code) {
      if (code) row.dataset.verdict = code; else delete row.dataset.verdict;
      const chip = row.querySelector(".wb-said");
      const what = JUDGING[code]?.[1] || CHIPS[code] || code;
      if (chip) Object.assign(chip.dataset, { text: CHIPS[code] || code }), (chip.title = code ? `You: ${what}` : "");
      for (const button of row.querySelectorAll(".wb-judge > [data-code]"))
        if (button.dataset.code) button.setAttribute("aria-pressed", String(button.dataset.code === code));
    }
  }
  const isKnown = [...said.values()].some(isJudged) || imported.size > 0; // else the plain view stays calm
  for (const cell of document.querySelectorAll(".wb-unjudged")) {
    const rows = [...(cell.closest(".wb-listing")?.querySelectorAll(".wb-row[data-doc]") || [])];
    const open = rows.filter(({ dataset: { doc } }) => !isJudged(said.get(doc)) && !imported.has(doc)).length;
    const shown = rows.length && (on || isKnown);
    cell.dataset.text = shown ? `${open} of ${rows.length} unjudged` : "";
    cell.title = shown ? "Neither you nor the imported judgments say how relevant these are" : "";
  }
}

// Buttons only for rows that are in sight or near it: a thousand hits in four columns would be 28,000.
let near = null;

export function fillRows(on) {
  if (!on) {
    near?.disconnect();
    near = null;
    for (const place of document.querySelectorAll(".wb-judge:not(:empty)")) place.replaceChildren();
    return;
  }
  near ||= new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) if (isIntersecting) fillRow(target), near?.unobserve(target);
  }, { rootMargin: `${AHEAD} 0px` });
  for (const place of document.querySelectorAll(".wb-row[data-doc] > .wb-judge:empty")) near.observe(place.parentElement);
}

function fillRow(row) {
  const place = row.querySelector(".wb-judge");
  if (!place || place.firstChild) return;
  const code = row.dataset.verdict || "";
  const button = ([key, [text, what]]) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, title: `${what} (${key})` });
    made.dataset.code = key;
    made.setAttribute("aria-label", what);
    made.setAttribute("aria-pressed", String(key === code));
    if (key === "h" || key === "u") made.classList.add("wb-gap");
    return made;
  };
  const back = Object.assign(document.createElement("button"), { type: "button", className: "wb-jback", textContent: "×", title: "Take your verdict back (Delete)" });
  back.dataset.code = "";
  back.setAttribute("aria-label", "Take your verdict back");
  place.append(...Object.entries(JUDGING).map(button), back);
}

// ── the bar ───────────────────────────────────────────────────────────────────────────────────────────────────────

const HELP = "<kbd>0</kbd>–<kbd>3</kbd> grade <kbd>h</kbd> hard negative <kbd>u</kbd> unrateable <kbd>l</kbd> later <kbd>Del</kbd> take back";
const FRAME =
  '<span class="wb-jwhat"></span><b class="wb-jquery" dir="auto"></b>' +
  '<label>as <input maxlength="60" placeholder="me" aria-label="Who judges" autocomplete="off"></label>' +
  '<span class="wb-jcount" title="Judged by you for this query: relevant, not relevant, hard negatives"></span>' +
  '<button type="button" class="btn small" data-step="undo" title="Take your last judgment back (Ctrl+Z)">Undo</button>' +
  '<button type="button" class="btn small" data-step="redo" title="Make it again (Ctrl+Shift+Z)">Redo</button>' +
  '<span class="wb-jstate" role="status"></span><span class="wb-jnote"></span>' +
  `<button type="button" class="btn small primary" data-make></button><span class="wb-jkeys">${HELP}</span>`;

export function fillBar(bar, { on, text, image, make, annotator, said, note, state, told }) {
  if (!bar) return;
  bar.hidden = !on;
  if (!on) return;
  if (!bar.firstChild) bar.innerHTML = FRAME; // constant: nothing of a corpus is in it
  const find = (selector) => bar.querySelector(selector);
  const write = (selector, value) => { const cell = find(selector); if (cell.textContent !== value) cell.textContent = value; };
  const has = Boolean(text);
  write(".wb-jwhat", has ? "Judging for" : nothing(image, make));
  write(".wb-jquery", has ? text : "");
  find(".wb-jquery").title = has ? text : "";
  for (const part of ["label", ".wb-jcount", "[data-step=undo]", "[data-step=redo]", ".wb-jstate", ".wb-jkeys"]) find(part).hidden = !has;
  const input = find("input");
  if (document.activeElement !== input) input.value = annotator === "me" ? "" : annotator;
  const all = [...said.values()];
  const hard = all.filter((one) => one.is_hard_negative).length;
  const good = all.filter((one) => one.relevance > 0).length;
  const none = all.filter((one) => one.relevance === 0).length - hard;
  write(".wb-jcount", `${good} relevant · ${none} not · ${hard} hard`);
  find(".wb-jstate").dataset.state = state;
  write(".wb-jstate", told);
  write(".wb-jnote", note);
  const button = find("[data-make]");
  button.hidden = has || !make;
  button.textContent = `Make a query from “${make}”`;
}

function nothing(image, make) {
  if (image) return "A query with a picture cannot be judged here: its picture is not kept. Take the picture away, or load queries with pictures as a query set.";
  if (make) return "No query is in hand: neighbours are judged against one.";
  return "Write a query: what you judge is kept for it.";
}
