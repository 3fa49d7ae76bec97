// Judging where documents are shown: search hits, neighbours, lists beside a map (ui/components/judging_bar.py). Verdicts
// are painted at once on every row of the document and go to the server by the queue; the rows' own markup is Python's.

import { makeSaver } from "./judging_saver.mjs";
import { codeOf, fillBar, fillRows, JUDGING, paintRows, verdictOf } from "./judging_view.mjs";

const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";
const SETTLED = 500; // milliseconds without a verdict after which the page is told that some were stored
const WAIT = 400; // milliseconds after which verdicts are asked for though no hit is painted yet

export function mount(element, { props, watch, make, said }) {
  const state = { element, props, make, said: new Map(), imported: new Map(), asked: 0, frame: 0, wanted: false, note: "" };
  state.announce = () => { clearTimeout(state.later); state.later = setTimeout(said, SETTLED); };
  state.saver = makeSaver({ changed: () => schedule(state), stored: (write, result) => stored(state, write, result) });
  watch("hand", () => take(state));
  watch("seq", () => ask(state)); // many were judged at once, in Python
  new MutationObserver((seen) => changed(state, seen)).observe(document.querySelector(".gradio-container") || document.body, { childList: true, subtree: true });
  document.addEventListener("click", (event) => click(state, event));
  document.addEventListener("keydown", (event) => keydown(state, event), true);
  element.addEventListener("change", (event) => rename(state, event.target));
  document.addEventListener("toggle", (event) => named(event.target), true);
  take(state);
  element.dataset.ready = "1";
}

const hand = (state) => state.props.hand || {};
const annotator = () => window.wb.store.get("wb.annotator") || "me";
const key = ({ project, corpus, text, set, at }) => JSON.stringify([project, corpus, text, set, at]);

// Another query, or the switch. What was said of the query before must not stand beside hits of this one.
function take(state) {
  if (state.key !== key(hand(state))) {
    state.key = key(hand(state));
    state.query = null;
    state.said = new Map();
    state.imported = new Map();
    state.note = "";
    want(state);
  }
  draw(state);
}

// Searching comes first: what was said is asked for when hits are there.
function want(state) {
  state.wanted = Boolean(hand(state).text);
  clearTimeout(state.timer);
  if (state.wanted) state.timer = setTimeout(() => ask(state), WAIT);
}

function changed(state, seen) {
  if (!state.element.isConnected || seen.every(({ target }) => target.closest?.(".wb-judge, .wb-judging"))) return;
  if (state.wanted && document.querySelector(".wb-row[data-doc]")) ask(state);
  schedule(state);
}

async function ask(state) {
  const { project, corpus, text, set, at } = hand(state);
  state.wanted = false;
  clearTimeout(state.timer);
  if (!text) return;
  const round = ++state.asked, asked = state.key;
  const values = { corpus, q: text, annotator: annotator(), ...(set ? { set, at } : {}) };
  let told;
  try {
    const answer = await fetch(`/judging/${encodeURIComponent(project)}/said?${new URLSearchParams(values)}`);
    told = await answer.json();
    if (!answer.ok) return tell(state, `${told.message} ${told.hint || ""}`);
  } catch { return tell(state, "What was judged could not be read: the app does not answer."); }
  if (round !== state.asked || asked !== state.key) return;
  if (told.query_id) state.query = { query_set: told.query_set, query_id: told.query_id };
  state.said = new Map(Object.entries(told.said));
  state.imported = new Map(Object.entries(told.imported));
  state.saver.overlay(owner(state), state.said);
  draw(state);
}

// Whose verdicts: the saver knows by it which of its entries belong to the query in hand.
function owner(state) {
  const { project, corpus, text } = hand(state);
  return { project, corpus, text, annotator: annotator(), ...state.query };
}

// ── what a person does ────────────────────────────────────────────────────────────────────────────────────────────

function judge(state, row, code) {
  if (!hand(state).text) return tell(state, "There is no query to judge for.");
  const doc = row.dataset.doc, before = state.said.get(doc);
  if (code === codeOf(before) || (!code && !before)) return;
  const verdict = code ? verdictOf(code, before?.note) : null;
  if (verdict) state.said.set(doc, verdict); else state.said.delete(doc);
  state.note = "";
  draw(state);
  state.saver.send(owner(state), doc, verdict);
}

// Undoing goes the same way as verdicts, behind those that are not stored yet.
function step(state, what) {
  if (!state.query && !state.saver.waiting()) return tell(state, `There is nothing to ${what}: you have judged nothing for this query.`);
  state.note = "";
  state.saver.step(owner(state), what);
}

// A stored write tells under which query a typed one is kept; an undone one, what stands now.
function stored(state, write, result) {
  const here = write.project === hand(state).project && (write.text ?? write.query) === (write.text ? hand(state).text : state.query?.query_id);
  if (!result.ok) {
    if (write.step) tell(state, result.message);
    return void ask(state);
  }
  state.announce();
  if (here && result.query) state.query = { query_set: result.set, query_id: result.query };
  if (!write.step) return;
  const pairs = result.pairs || [], others = pairs.filter(([query]) => query !== state.query?.query_id).length;
  const left = result.conflicts ? `${result.conflicts} changed by somebody since, left as they are. ` : "";
  const far = others ? `${others} of them for another query. ` : "";
  tell(state, `${write.step === "undo" ? "Undone" : "Made again"}: ${pairs.length - result.conflicts}. ${far}${left}`.trim());
  ask(state);
}

function click(state, event) {
  const button = event.target instanceof Element ? event.target.closest(".wb-judge button, .wb-judging button") : null;
  if (!button || !state.element.isConnected) return;
  const row = button.closest(".wb-row");
  if (row) judge(state, row, button.dataset.code);
  else if (button.dataset.step) step(state, button.dataset.step);
  else if ("make" in button.dataset) state.make();
}

function rename(state, input) {
  if (!(input instanceof HTMLInputElement)) return;
  window.wb.store.set("wb.annotator", input.value.trim());
  state.said = new Map();
  draw(state);
  ask(state);
}

// The menu that judges a selection (ui/components/judge_selection.py) begins with the same name.
function named(menu) {
  for (const input of (menu.open && menu.querySelectorAll?.("input[data-annotator]")) || []) input.value = annotator();
}

function keydown(state, event) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (!state.element.isConnected || !hand(state).on || event.defaultPrevented || event.isComposing || event.altKey) return;
  if (target.closest(TYPING) || document.querySelector("dialog[open], details.menu[open]")) return;
  if (event.ctrlKey || event.metaKey) {
    const what = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
    if (!what || !hand(state).text) return;
    event.preventDefault();
    return void (event.repeat || step(state, what));
  }
  const code = event.key === "Delete" ? "" : event.key;
  if (code && !(code in JUDGING)) return;
  // Over a map letters are its tools.
  if (document.querySelector(".wb-map-host:hover") && !/\d/.test(code)) return;
  event.preventDefault();
  event.stopImmediatePropagation(); // some of these letters move through columns while nobody judges
  const row = document.querySelector(".wb-listing[data-active] .wb-row[data-cursor]");
  if (row?.dataset.doc !== undefined) judge(state, row, code);
  else tell(state, "Choose a document first: j or ↓.");
}

// ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

function tell(state, text) {
  state.note = text;
  draw(state);
}

function schedule(state) {
  if (!state.frame) state.frame = requestAnimationFrame(() => { state.frame = 0; draw(state); });
}

function draw(state) {
  const { on, text } = hand(state);
  paintRows(state.said, state.imported, Boolean(on));
  fillRows(Boolean(on && text));
  fillBar(state.element.querySelector(".wb-judging"), { ...hand(state), annotator: annotator(), said: state.said, note: state.note, ...state.saver.state() });
}
