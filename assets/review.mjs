// The Review page: a key or button decides the card in hand, painted at once and written behind (label_outbox.mjs).
// Markup comes escaped from Python (ui/review_routes.py). Where the page stands is in its address.
import { same, sayOf } from "./label_hand.mjs";
import { makeOutbox } from "./label_outbox.mjs";

const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";
const BOUNCE = 150;   // ms: the same key again sooner is one press
const VIEW = ["labels", "proposed", "state", "scale", "others", "start"];
const WORDS = { skipped: "rejected", unrateable: "unrateable", later: "put off" };

export function mount(element, { watch }) {
  let page = null;
  const start = () => {
    const board = element.querySelector(".rv");
    if (!board) return;
    if (page?.board === board) return page.reload();
    page?.stop();
    page = open(board);
  };
  watch("markup", start);
  start();
}

function open(board) {
  const config = JSON.parse(board.dataset.config), { part } = config;
  const find = (selector) => board.querySelector(selector);
  const store = window.wb.store;
  const address = new URLSearchParams(location.search);
  const view = Object.fromEntries(VIEW.map((name) => [name, address.get(name) || ""]));
  view.labels ||= config.labels;
  view.proposed ||= find("[data-view=proposed]")?.value || "";
  let facts = { shown: 0, found: 0, done: 0, total: 0 }, at = 0, before = 0, asked = 0;
  let last = { key: "", at: 0 }, hide = 0, onward = false, wanted = null;

  const annotator = () => store.get("wb.annotator").trim() || "me";
  const by = () => part === "disagreements"
    ? { set: config.set, labels: config.finals[view.labels] || `${view.labels}-final`, annotator: "adjudicated" }
    : { set: config.set, labels: view.labels, annotator: annotator() };
  const extra = () => ({
    proposals: { proposed: view.proposed }, disagreements: { of: view.labels, by: annotator() },
  }[part] || {});

  const cards = () => [...board.querySelectorAll(".rv-card")];
  const now = () => cards()[at];
  const verdictOf = (text) => (text ? JSON.parse(text) : null);
  const said = (card) => verdictOf(card.dataset.said);

  // Whether a verdict ends a case: a negative of one's own does not, unless it was kept after the warning.
  function decides(verdict) {
    if (!verdict || verdict.state === "later") return false;
    return part !== "suspects" || verdict.relevance !== 0 || verdict.note.startsWith(config.kept);
  }
  const handled = (card) => decides(said(card)) || card.hasAttribute("data-skipped");

  function tell(message, hint = "", kind = "bad") {
    const box = find(".rv-told"), strong = document.createElement("b");
    clearTimeout(hide);
    box.className = `rv-told note ${kind}`;
    strong.textContent = message;
    box.replaceChildren(strong, ` ${hint}`);
    box.hidden = !message;
    if (kind !== "bad") hide = setTimeout(() => { box.hidden = true; }, 6000);
  }

  // ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async function load() {
    const number = ++asked, slow = setTimeout(() => { find(".rv-pool").style.opacity = 0.5; }, 250);
    const values = { ...view, set: config.set, part, annotator: annotator() };
    try {
      const answer = await fetch(`/reviewing/${encodeURIComponent(config.project)}/part?${new URLSearchParams(values)}`);
      const found = await answer.json().catch(() => ({}));
      if (number !== asked) return;
      if (!answer.ok) {
        find(".rv-pool").replaceChildren();
        return tell(found.message || "The server could not answer.", found.hint);
      }
      find(".rv-told").hidden = true;
      facts = found;
      find(".rv-pool").innerHTML = found.markup;
      find(".rv-note").textContent = found.note;
      find(".rv-note").title = found.note;
      settle();
    } catch (error) {
      if (number === asked) tell("The server does not answer.", "Reload the page when it is back.");
    } finally {
      clearTimeout(slow);
      find(".rv-pool").style.opacity = "";
    }
  }

  // What is on its way counts as said.
  function settle() {
    const stored = cards().filter((card) => decides(said(card))).length;
    for (const query of new Set(cards().map((card) => card.dataset.query))) {
      const mine = outbox.overlay(by(), query, new Map());
      for (const card of cards()) if (card.dataset.query === query && mine.has(card.dataset.doc)) keep(card, mine.get(card.dataset.doc));
    }
    before = stored;
    onward = false;
    cards().forEach(paint);
    const to = wanted ? place(wanted) : -1;
    wanted = null;
    focus(to >= 0 ? to : Math.max(0, cards().findIndex((card) => !handled(card))), to >= 0);
    count();
    board.dataset.shown = String(Number(board.dataset.shown || 0) + 1);
  }

  function keep(card, verdict) {
    if (verdict) card.dataset.said = JSON.stringify(verdict); else card.dataset.said = "";
  }

  function paint(card) {
    const verdict = said(card), box = card.querySelector(".rv-said"), sign = document.createElement("span");
    card.toggleAttribute("data-decided", decides(verdict));
    box.replaceChildren();
    for (const button of card.querySelectorAll("[data-key]")) button.setAttribute("aria-pressed", String(Boolean(verdict) && decides(verdict) && same(verdict, verdictIn(card, button))));
    if (card.hasAttribute("data-skipped") && !decides(verdict)) { sign.className = "rv-word"; sign.textContent = "passed over"; box.append(sign); return; }
    if (!verdict) return;
    if (verdict.state !== "judged") { sign.className = "rv-word"; sign.textContent = WORDS[verdict.state]; }
    else {
      sign.className = "wb-grade";
      if (verdict.is_hard_negative) sign.dataset.hard = ""; else sign.dataset.grade = sayOf(verdict);
      sign.textContent = verdict.is_hard_negative ? "H" : verdict.relevance;
    }
    const word = document.createElement("span");
    word.className = "dim";
    word.textContent = !decides(verdict) ? "your label" : verdict.note.startsWith(config.kept) ? "kept" : part === "disagreements" ? "final" : "yours";
    box.append(sign, word);
  }

  function count() {
    const decided = cards().filter((card) => decides(said(card))).length;
    const done = Math.min(facts.total, facts.done - before + decided);
    const words = part === "proposals" ? "reviewed" : "decided";
    find(".rv-done").textContent = facts.total ? `${done.toLocaleString("en")} / ${facts.total.toLocaleString("en")} ${words}` : "";
    find(".rv-head .meter").hidden = !facts.total;
    find(".rv-head .meter i").style.width = facts.total ? `${(100 * done) / facts.total}%` : "0";
    const left = facts.found - Number(view.start || 0) - facts.shown;
    find(".rv-more").hidden = !cards().length || (left <= 0 && !cards().some(handled));
  }

  function focus(to, scroll = true) {
    const all = cards();
    at = Math.max(0, Math.min(all.length - 1, to));
    all.forEach((card, i) => card.toggleAttribute("data-now", i === at));
    if (!scroll || !all[at]) return;
    const top = find(".rv-head").getBoundingClientRect().bottom, box = all[at].getBoundingClientRect();
    if (box.top < top + 6) scrollBy({ top: box.top - top - 6 });
    else if (box.bottom > innerHeight - 20) scrollBy({ top: Math.min(box.top - top - 6, box.bottom - innerHeight + 20) });
  }

  const place = ([query, doc]) => cards().findIndex((card) => card.dataset.query === query && card.dataset.doc === doc);

  // ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────────

  const outbox = makeOutbox({ told: answered, changed: saving });

  function verdictIn(card, button) {
    return button.dataset.key === "k" && part === "suspects" ? verdictOf(card.dataset.keep) : verdictOf(button.dataset.verdict);
  }

  function press(card, key) {
    const button = card && [...card.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!button) return false;
    const verdict = verdictIn(card, button);
    if (!verdict) card.setAttribute("data-skipped", "");
    else if (!same(said(card), verdict)) {
      card.removeAttribute("data-skipped");
      keep(card, verdict);
      outbox.push({ project: config.project, ...by(), ...extra(), query: card.dataset.query, doc: card.dataset.doc, verdict });
    }
    paint(card);
    count();
    next(card);
    return true;
  }

  function next(card) {
    const all = cards(), from = all.indexOf(card);
    const to = [...all.keys()].map((i) => (from + 1 + i) % all.length).find((i) => !handled(all[i]));
    if (to !== undefined) focus(to);
    else more();
  }

  // The next cards, once everything is stored: what is open then no longer holds what was decided here.
  function more() {
    if (outbox.waiting()) { onward = true; return; }
    const shown = cards(), gone = view.state && view.state !== "open" ? 0 : shown.filter((card) => decides(said(card))).length;
    const start = Number(view.start || 0) + shown.length - gone, further = start < facts.found - gone;
    if (!further && shown.some((card) => !decides(said(card)))) {
      focus(shown.findIndex((card) => !decides(said(card))));
      return tell("That is all there is.", "What was passed over stays open.", "good");
    }
    view.start = start && further ? String(start) : "";
    keepAddress();
    scrollTo({ top: 0 });
    load();
  }

  const step = (what) => outbox.push({ project: config.project, ...by(), step: what });

  function answered(sent, result, own) {
    if (!result.ok) {
      tell(result.message, result.hint, sent.step ? "warn" : "bad");
      if (!sent.step) load();
    } else if (sent.step && own) undone(result);
    if (onward && !outbox.waiting()) { onward = false; more(); }
  }

  function undone({ pairs, conflicts, said: stored }) {
    if (conflicts) tell(`${conflicts} could not be taken back.`, "Somebody changed it since.", "warn");
    if (!pairs.length) return load();
    const here = pairs.every(([query, doc]) => query === pairs[0][0] && place([query, doc]) >= 0);
    if (!here) {
      wanted = pairs[0];
      view.start = "";
      keepAddress();
      return load();
    }
    for (const pair of pairs) {
      const card = cards()[place(pair)];
      card.removeAttribute("data-skipped");
      keep(card, stored[pair[1]] || null);
      paint(card);
    }
    count();
    focus(place(pairs[0]));
  }

  function saving({ waiting, failed, problem }) {
    const box = find(".rv-saved"), state = failed ? "failed" : waiting ? "saving" : "saved";
    box.dataset.state = state;
    box.textContent = { saved: "✓ saved", saving: "saving…", failed: `${waiting} not saved yet: ${problem || "no connection"}; trying again` }[state];
  }

  // ── the address and what is chosen ──────────────────────────────────────────────────────────────────────────────

  function keepAddress() {
    const here = new URL(location.href);
    for (const name of VIEW) if (view[name]) here.searchParams.set(name, view[name]); else here.searchParams.delete(name);
    if (here.href !== location.href) history.replaceState(history.state, "", here);
    for (const link of board.querySelectorAll(".rv-tabs a")) {
      const to = new URL(link.href);
      for (const name of ["labels", "proposed"]) if (view[name]) to.searchParams.set(name, view[name]);
      link.href = to.href;
    }
  }

  function changed(event) {
    const field = event.target;
    if (field.matches(".rv-annotator")) {
      store.set("wb.annotator", field.value.trim());
      named();
      return again();
    }
    if (!field.matches("[data-view]")) return;
    if (field.dataset.view === "set") {
      const here = new URL(location.href);
      for (const name of VIEW) here.searchParams.delete(name);
      here.searchParams.set("set", field.value);
      return location.assign(here);
    }
    view[field.dataset.view] = field.type === "checkbox" ? (field.checked ? "0" : "") : field.value;
    again();
  }

  function again() {
    view.start = "";
    keepAddress();
    load();
  }

  function named() {
    for (const button of board.querySelectorAll("[data-do]")) button.dataset.annotator = annotator();
  }

  // ── hands ───────────────────────────────────────────────────────────────────────────────────────────────────────

  const help = () => find("[data-dialog=help]");

  function keydown(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.isComposing || event.defaultPrevented || target.closest(TYPING)) return;
    if (document.querySelector("dialog[open]")) {
      if (event.key === "?") help().close();
      return;
    }
    if (!document.querySelector("details.menu[open]") && pressed(event)) event.preventDefault();
  }

  function pressed(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (event.altKey || !["z", "y"].includes(key) || part === "agreement") return false;
      return step(key === "y" || event.shiftKey ? "redo" : "undo"), true;
    }
    if (event.altKey) return false;
    if (key === "?") return help().showModal(), true;
    if (key === "ArrowDown" || key === "j") return focus(at + 1), true;
    if (key === "ArrowUp" || (key === "k" && part !== "suspects")) return focus(at - 1), true;
    if (event.repeat) return false;
    if (key === "e") return now()?.toggleAttribute("data-more"), true;
    if (key === "n" && !find(".rv-more").hidden) return more(), true;
    const twice = key === last.key && event.timeStamp - last.at < BOUNCE;
    last = { key, at: event.timeStamp };
    return twice || press(now(), key);
  }

  function click(event) {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest("button"), card = event.target.closest(".rv-card");
    if (card) {
      focus(cards().indexOf(card), false);
      if (!button && !String(getSelection())) card.toggleAttribute("data-more");
    }
    if (!button) return;
    button.blur();   // so that the next key is a key again
    const { key, step: back, open: name } = button.dataset;
    if (key && card) press(card, key);
    else if (back) step(back);
    else if (name === "help") help().showModal();
    else if ("more" in button.dataset) more();
    else if ("close" in button.dataset) button.closest("dialog").close();
  }

  document.addEventListener("keydown", keydown);
  board.addEventListener("click", click);
  board.addEventListener("change", changed);
  board.addEventListener("error", (event) => event.target.classList?.add("wb-broken"), true);
  find(".rv-annotator").value = store.get("wb.annotator");
  named();
  keepAddress();
  load();
  board.dataset.keys = "1";

  function reload() {
    named();
    load();
  }
  function stop() {
    document.removeEventListener("keydown", keydown);
    outbox.stop();
  }
  return { board, reload, stop };
}
