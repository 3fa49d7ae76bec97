// The Label page: keys and buttons judge the card in hand, painted at once and written behind (label_outbox.mjs).
// Markup comes escaped from Python (ui/label_routes.py). Where the page stands is in its address.
import { makeDialogs } from "./label_dialogs.mjs";
import { makeGuard } from "./label_guard.mjs";
import { editNote, makeHand, same, verdictOf } from "./label_hand.mjs";
import { makeOutbox } from "./label_outbox.mjs";

const VERDICTS = { 0: "0", 1: "1", 2: "2", 3: "3", h: "h", r: "r", " ": "skip", u: "unrateable", l: "later" };
const MOVES = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";
const BOUNCE = 150;   // ms: the same key again sooner is one press
const KEPT = ["set", "labels", "q", "sort", "state", "seed", "enough", "sample", "order", "others", "systems", "depth", "proposed", "also", "within"];

export function mount(element, { watch, act }) {
  let page = null;
  const start = () => {
    const board = element.querySelector(".lb");
    if (!board || page?.board === board) return;
    page?.stop();
    page = open(element, board, act);
  };
  watch("markup", start);
  start();
}

function open(element, board, act) {
  const config = JSON.parse(board.dataset.config);
  const find = (selector) => board.querySelector(selector);
  const hand = makeHand(board);
  const store = window.wb.store;
  const channel = new BroadcastChannel("wb.label");
  const address = new URLSearchParams(location.search);
  const view = Object.fromEntries(KEPT.map((name) => [name, address.get(name) || ""]));
  view.set = config.set;
  const first = view.q, named = view.also;   // the document that the query of the address was made of
  let queue = { ids: [], start: 0, total: 0, here: -1 };
  let said = new Map(), shown = "", wanted = "", last = { key: "", at: 0 }, timer = 0, hide = 0;
  const cache = new Map();

  const annotator = () => store.get("wb.annotator").trim() || "me";
  const by = () => ({ set: view.set, labels: view.labels || "labels", annotator: annotator() });
  const mine = (write) => Object.entries(by()).every(([name, value]) => write[name] === value);

  // ── asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

  function link(path, query) {
    const values = { ...view, ...by(), q: query, also: query === first ? named : "" };
    return `/labelling/${encodeURIComponent(config.project)}/${path}?${new URLSearchParams(values)}`;
  }

  async function get(path, query = shown) {
    return read(await fetch(link(path, query)));
  }

  async function read(answer) {
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(found.message || "The server could not answer."), { hint: found.hint });
    return found;
  }

  function pool(query) {
    if (!cache.has(query)) {
      const asked = get("query", query);
      asked.catch(() => cache.delete(query));
      cache.set(query, asked);
      if (cache.size > 6) cache.delete(cache.keys().next().value);
    }
    return cache.get(query);
  }

  function tell(message, hint = "", kind = "bad") {
    const box = find(".lb-told"), strong = document.createElement("b");
    clearTimeout(hide);
    box.className = `lb-told note ${kind}`;
    strong.textContent = message;
    box.replaceChildren(strong, ` ${hint}`);
    box.hidden = !message;
    if (kind !== "bad") hide = setTimeout(() => { box.hidden = true; }, 6000);
  }
  async function send(path, values) {
    const options = { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: JSON.stringify(values) };
    return read(await fetch(path, options));
  }

  const failed = (error) => tell(error instanceof TypeError ? "The server does not answer." : error.message, error.hint);

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async function show(query, doc = "") {
    wanted = query;
    const ready = cache.has(query);
    const slow = setTimeout(() => {
      shown = "";
      find(".lb-pool").innerHTML = "<p class='lb-wait'>Searching… the first time the models are loaded too.</p>";
    }, ready ? 400 : 150);
    let found;
    try { found = await pool(query); } catch (error) {
      clearTimeout(slow);
      if (wanted === query) { failed(error); find(".lb-pool").innerHTML = ""; }
      return;
    }
    clearTimeout(slow);
    if (wanted !== query) return;
    shown = query;
    cache.delete(query);   // what was said of it changes from now on
    view.q = query;
    keepAddress();
    find(".lb-asked").innerHTML = found.head;
    find(".lb-pool").innerHTML = found.cards;
    board.dataset.query = query;
    guard.clear();
    take(found.said);
    const open = hand.cards().findIndex((card) => !said.get(card.dataset.doc));
    scrollTo({ top: 0 });
    hand.focus(doc ? hand.place(doc) : Math.max(0, open), Boolean(doc));
    find(".lb-told").hidden = true;
    mark();
    if (ready) refresh();
    setTimeout(ahead, 60);
    board.dataset.shown = 1 + Number(board.dataset.shown || 0);
  }

  const neighbour = (by) => {
    const at = queue.ids.indexOf(shown);
    return at >= 0 ? queue.ids[at + by] : by > 0 ? queue.ids[queue.here - queue.start] : undefined;
  };
  // The pools of the queries beside this one: shown without waiting.
  const ahead = () => { for (const by of [1, -1, 2]) { const next = neighbour(by); if (next) pool(next).catch(() => {}); } };

  function take(stored) {
    said = new Map(Object.entries(stored));
    outbox.overlay(by(), shown, said);
    for (const card of hand.cards()) { hand.paint(card, said.get(card.dataset.doc)); guard.paint(card); }
    count();
  }

  async function refresh() {
    const query = shown;
    if (!query) return;
    try {
      const found = await get("said", query);
      if (query !== shown) return;
      take(found.said);
      if (view.others !== "0") for (const card of hand.cards()) {
        const others = card.querySelector(".lb-others"), markup = found.others[card.dataset.doc] || "";
        if (others.dataset.shown !== markup) { others.innerHTML = markup; others.dataset.shown = markup; }
      }
    } catch (error) { if (!(error instanceof TypeError)) failed(error); }
  }

  function count() {
    const verdicts = [...said.values()].filter(Boolean), later = verdicts.filter((one) => one.state === "later").length;
    const cards = hand.cards(), judged = cards.filter((card) => said.get(card.dataset.doc)).length;
    find(".lb-done").textContent = cards.length ? `${judged} / ${cards.length} candidates` : "";
    const row = rowOf(shown);
    if (!row) return;
    const enough = Number(find("[data-view=enough]").value) || 10;
    const state = !verdicts.length ? "untouched" : verdicts.length >= enough && !later ? "done" : "started";
    row.dataset.state = state;
    row.querySelector("i").textContent = { untouched: "○", started: "◐", done: "✓" }[state];
    row.querySelector(".lb-count").textContent = verdicts.length || "";
  }

  const rowOf = (query) => [...board.querySelectorAll(".lb-q")].find((row) => row.dataset.query === query);

  function mark() {
    for (const row of board.querySelectorAll(".lb-q")) row.toggleAttribute("data-now", row.dataset.query === shown);
    const row = rowOf(shown), list = find(".lb-list");
    if (row) list.scrollTop = row.offsetTop - list.offsetTop - list.clientHeight / 3;
    find(".lb-at").textContent = row ? `${Number(row.dataset.place) + 1} / ${queue.total}` : `– / ${queue.total}`;
    find("[data-go='1']").disabled = !neighbour(1) && queue.start + queue.ids.length >= queue.total;
    find("[data-go='-1']").disabled = !neighbour(-1) && !queue.start;
  }

  async function loadQueue(around = view.q) {
    const note = find(".lb-queuenote"), sorted = ["disagreement", "margin", "gain"].includes(view.sort);
    board.toggleAttribute("data-sampled", sorted);
    if (sorted) note.textContent = "Searching the sample…";
    try { queue = await get("queue", around); } catch (error) { note.textContent = ""; return failed(error); }
    find(".lb-list").innerHTML = queue.rows || "<li class='lb-none dim'>No query is in this state.</li>";
    note.textContent = queue.note;
    mark();
    if (shown) count();
  }

  async function loadProgress() {
    try { find(".lb-progresses").innerHTML = (await get("progress")).markup; } catch (error) { failed(error); }
  }

  async function go(by) {
    let next = neighbour(by);
    const further = by > 0 ? queue.start + queue.ids.length < queue.total : queue.start > 0;
    if (!next && further) { await loadQueue(shown); next = neighbour(by); }
    if (next) return show(next);
    tell(by > 0 ? "This is the last query of the queue." : "This is the first query of the queue.", "", "warn");
  }

  const project = encodeURIComponent(config.project);
  const keep = (text) => send(`/labelling/${project}/guidelines`, { ...by(), text });
  const dialogs = makeDialogs(board, { failed, guidelines: () => get("guidelines"), keep, make });
  async function make(text) {
    const made = await send(`/judging/${project}/query`, { corpus: config.corpus, text });
    const here = new URL(location.href);
    for (const name of KEPT) here.searchParams.delete(name);
    here.searchParams.set("set", made.query_set);
    here.searchParams.set("q", made.query_id);
    location.assign(here);
  }
  // What others said gives doubts away, so that who judges blind is not warned.
  const guard = makeGuard(hand, {
    said: (doc) => said.get(doc),
    ask: (docs) => send(`/labelling/${project}/reasons`, { set: view.set, query: shown, docs }),
    on: () => shown && view.others !== "0",
  });

  // ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────────

  const outbox = makeOutbox({ told: answered, changed: saving });

  function write(card, verdict, onward) {
    const doc = card.dataset.doc;
    const before = said.get(doc);
    if (!same(before, verdict)) {
      said.set(doc, verdict);
      hand.paint(card, verdict);
      guard.paint(card);
      // Another positive is another thing to compare with.
      if (before?.relevance > 0 !== verdict?.relevance > 0) guard.later(1500);
      outbox.push({ project: config.project, ...by(), query: shown, doc, verdict });
      count();
    }
    if (!onward || !find(".lb-onward").checked) return;
    if (hand.at() + 1 < hand.cards().length) hand.focus(hand.at() + 1);
    else if (hand.cards().every((one) => said.get(one.dataset.doc)))
      tell("Every candidate has a verdict.", "→ brings the next query.", "good");
  }

  function say(what, card = hand.now()) {
    if (!card || !shown) return;
    const before = said.get(card.dataset.doc);
    if (what === "note") return note(card);
    if (what === "back") return before && write(card, null, false);
    write(card, verdictOf(what, before?.note), true);
  }

  function note(card) {
    const doc = card.dataset.doc, before = said.get(doc);
    editNote(card.querySelector(".lb-note"), before?.note || "", (text) => {
      const now = said.get(doc);
      // A note on what has no verdict puts it off.
      if (text !== null && text !== (now?.note || "")) write(card, { ...(now || verdictOf("later", "")), note: text }, false);
      hand.paint(card, said.get(doc));
    });
  }

  const step = (what) => outbox.push({ project: config.project, ...by(), step: what });

  function answered(sent, result, own) {
    if (!result.ok) {
      tell(result.message, result.hint, sent.step ? "warn" : "bad");
      if (!sent.step) refresh();
      return;
    }
    channel.postMessage({ ...by(), query: sent.query || "" });
    clearTimeout(timer);
    timer = setTimeout(loadProgress, 800);
    if (!own) return refresh();
    if (!sent.step || !mine(sent)) return;
    const [query, doc] = result.pairs[0] || [];
    if (result.conflicts) tell(`${result.conflicts} could not be taken back.`, "Somebody changed it since.", "warn");
    cache.delete(query);
    if (query === undefined) return refresh();
    if (query !== shown) return show(query, doc);
    take(result.said);
    if (hand.place(doc) >= 0) hand.focus(hand.place(doc));
  }

  function saving({ waiting, failed, problem }) {
    const box = find(".lb-saved"), state = failed ? "failed" : waiting ? "saving" : "saved";
    const lost = problem || "no connection";
    box.dataset.state = state;
    box.textContent = { saved: "✓ saved", saving: "saving…", failed: `${waiting} not saved yet: ${lost}; trying again` }[state];
  }

  // ── the address and what is chosen ──────────────────────────────────────────────────────────────────────────────

  function keepAddress() {
    const here = new URL(location.href);
    for (const name of KEPT) {
      const value = name === "also" && view.q !== first ? "" : view[name];
      if (value) here.searchParams.set(name, value); else here.searchParams.delete(name);
    }
    if (here.href !== location.href) history.replaceState(history.state, "", here);
  }

  function change(field) {
    const name = field.dataset.view;
    const value = field.type === "checkbox" ? (field.checked ? field.dataset.on : "") : field.value.trim();
    if (value === view[name]) return;
    view[name] = value;
    if (name === "set") {
      for (const own of ["q", "proposed", "also", "within"]) view[own] = "";
      keepAddress();
      return location.reload();
    }
    keepAddress();
    if (["sort", "state", "seed", "enough", "sample"].includes(name)) loadQueue();
    if (name === "enough") loadProgress();
    if (["labels", "order", "others", "depth", "within"].includes(name) || (name === "seed" && view.order)) again();
    if (name === "labels") { loadQueue(); loadProgress(); }
  }

  function again() {
    cache.clear();
    if (shown || view.q) show(shown || view.q, hand.now()?.dataset.doc);
  }

  const ticked = (name) => [...board.querySelectorAll(`[data-${name}]:checked`)].map((box) => box.dataset[name]).join(",");

  // ── hands ───────────────────────────────────────────────────────────────────────────────────────────────────────

  function keydown(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.isComposing || event.defaultPrevented || target.closest(TYPING)) return;
    if (document.querySelector("dialog[open]")) {
      if (event.key === "?") dialogs.close("help");
      return;
    }
    if (document.querySelector("details.menu[open]")) return;
    if (event.key === " " && target.closest("button, a, summary, label")) return;
    if (press(event)) event.preventDefault();
  }

  function press(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (event.altKey || !["z", "y"].includes(key)) return false;
      return step(key === "y" || event.shiftKey ? "redo" : "undo"), true;
    }
    if (event.altKey) return false;
    if (key in MOVES) return hand.focus(hand.at() + MOVES[key]), true;
    if (event.repeat) return key in VERDICTS;
    if (key === "ArrowRight" || key === "ArrowLeft") return go(key === "ArrowRight" ? 1 : -1), true;
    if (key === "?") return dialogs.open("help"), true;
    if (key === "g") return dialogs.open("guidelines"), true;
    if (key === "e") return hand.now()?.toggleAttribute("data-more"), true;
    const doubted = key === "p" && hand.now()?.hasAttribute("data-warned");
    const what = doubted ? "r" : VERDICTS[key] || { n: "note", Backspace: "back", Delete: "back" }[key];
    if (!what) return false;
    const twice = key === last.key && event.timeStamp - last.at < BOUNCE;
    last = { key, at: event.timeStamp };
    if (!twice) say(what);
    return true;
  }

  function click(event) {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest("button, .lb-q");
    const card = event.target.closest(".lb-card");
    if (card && !event.target.closest("textarea, a")) {
      hand.focus(hand.place(card.dataset.doc), false);
      if (!button && !String(getSelection())) card.toggleAttribute("data-more");
    }
    if (!button) return dialogs.press(event.target);
    const { say: what, go: by, step: back, query, queryOf } = button.dataset;
    if (button.nodeName === "BUTTON") button.blur();   // so that the next key is a key again
    if (what) say(what, card || hand.now());
    else if (by) go(Number(by));
    else if (back) step(back);
    else if (queryOf !== undefined) act({ do: "query-of", ordinal: queryOf });
    else if (query !== undefined) show(query);
    else dialogs.press(button);
  }

  function changed(event) {
    const field = event.target;
    if (field.matches("select, [type=checkbox]")) field.blur();   // what was chosen is chosen: the next key judges
    if (field.matches("[data-view]")) change(field);
    else if (field.matches("[data-system]")) { view.systems = ticked("system"); keepAddress(); again(); }
    else if (field.matches("[data-proposed]")) { view.proposed = ticked("proposed"); keepAddress(); again(); }
    else if (field.matches(".lb-onward")) store.set("wb.label.onward", field.checked ? "" : "off");
    else if (field.matches(".lb-annotator") && field.value.trim() !== store.get("wb.annotator")) {
      store.set("wb.annotator", field.value.trim());
      again();
      loadQueue();
      loadProgress();
    }
  }

  const back = () => { if (document.visibilityState === "visible") refresh(); };
  document.addEventListener("keydown", keydown);
  document.addEventListener("visibilitychange", back);
  board.addEventListener("click", click);
  board.addEventListener("change", changed);
  board.addEventListener("error", (event) => event.target.classList?.add("wb-broken"), true);
  channel.onmessage = ({ data }) => { if (data.set === view.set && (!data.query || data.query === shown)) refresh(); };
  find(".lb-annotator").value = store.get("wb.annotator");
  find(".lb-onward").checked = store.get("wb.label.onward") !== "off";
  find("[data-import]").href = `/corpus?${new URLSearchParams({ project: config.project, corpus: config.corpus })}`;
  if (view.q) show(view.q, address.get("also") || "");
  loadQueue().then(() => { if (!wanted && queue.here >= 0) show(queue.ids[queue.here - queue.start]); else if (shown) ahead(); });
  loadProgress();
  board.dataset.keys = "1";

  function stop() {
    guard.stop();
    document.removeEventListener("keydown", keydown);
    document.removeEventListener("visibilitychange", back);
    channel.close();
    outbox.stop();
  }
  return { board, stop };
}
