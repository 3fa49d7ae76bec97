// Listings (ranked hits, document tables, the document panel): one delegated click handler for each, one key handler
// for the page. Nothing here reads a corpus's text as HTML: rows are drawn and escaped in Python.

const listings = new Set();
let active = null; // the listing that keys move through; judging.mjs finds it by data-active
let help = null;

const KEYS = [
  ["/", "write a query"],
  ["j  ↓", "next"],
  ["k  ↑", "previous"],
  ["Enter", "open the document"],
  ["e", "more of the text, or less"],
  ["m", "more like this"],
  ["n  p", "next page, previous page"],
  ["Esc", "close, then leave the list"],
  ["?", "these keys"],
];
const COLUMN_KEYS = [
  ["h  ←", "column to the left"],
  ["l  →", "column to the right"],
  ["[  ]", "query before, query after"],
  ["b", "judge these columns blind"],
];

const JUDGING_KEYS = [
  ["0  1  2  3", "grade"],
  ["h  u  l", "hard negative, unrateable, judge later"],
  ["Del", "take your verdict back"],
  ["Ctrl+Z  Ctrl+Shift+Z", "undo, redo"],
];

export function mount(element, { props, watch, events }) {
  const listing = { element, props, events, at: -1, timer: 0, shown: "" };
  element.classList.add("wb-listing");
  element.addEventListener("click", (event) => click(listing, event));
  element.addEventListener("error", (event) => broken(event.target), true);
  // Not watch("value"): that runs before the new markup is in the page.
  new MutationObserver((seen) => seen.every(isJudging) || refresh(listing, true)).observe(element, { childList: true, subtree: true });
  watch("open", () => refresh(listing, false));
  watch("busy", () => busy(listing));
  watch("url", () => props.url && history.replaceState(history.state, "", props.url));
  if (!listings.size) document.addEventListener("keydown", keydown);
  listings.add(listing);
  refresh(listing, true);
  busy(listing);
  element.dataset.ready = "1";
}

// The buttons that assets/judging.mjs puts into rows are not new rows.
const isJudging = (record) => record.target.classList?.contains("wb-judge");
const rows = (listing) => [...listing.element.querySelectorAll(".wb-row")];
const panel = () => living().find((one) => one.element.querySelector("[data-act=shut]"));

function living() {
  for (const one of listings) if (!one.element.isConnected) listings.delete(one);
  // In the page's order: they mount in any.
  const before = (a, b) => a.element.compareDocumentPosition(b.element) & Node.DOCUMENT_POSITION_FOLLOWING;
  return [...listings].sort((a, b) => (before(a, b) ? -1 : 1));
}

// ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Other rows than before begin at the top, as on a new page.
function toTop(listing) {
  const shown = rows(listing).map((row) => row.dataset.ordinal).join();
  if (shown === listing.shown) return;
  if (listing.shown && listing.element.getBoundingClientRect().top < 0) listing.element.scrollIntoView();
  listing.shown = shown;
}

function refresh(listing, fresh) {
  const { element, props } = listing;
  if (fresh) {
    listing.at = -1;
    toTop(listing);
    const pictures = element.querySelector(".wb-pictures");
    // Columns side by side begin as lists: ranks are read down a line.
    const small = pictures && pictures.classList.contains("wb-compact");
    element.dataset.view = (pictures && stored(small ? "wb.view.columns" : "wb.view")) || (pictures && !small ? "grid" : "list");
    busy(listing); // an answer that no search announced ends the waiting too
    for (const box of element.querySelectorAll(".wb-document")) box.scrollTop = 0;
  }
  for (const button of element.querySelectorAll("[data-act=view]"))
    button.setAttribute("aria-pressed", String(button.dataset.to === element.dataset.view));
  rows(listing).forEach((row, i) => {
    const open = Number(row.dataset.ordinal) === props.open;
    row.toggleAttribute("data-open", open);
    if (open) listing.at = i;
    row.toggleAttribute("data-cursor", i === listing.at);
  });
  clamp(rows(listing));
}

// The button “more” only where the text is cut. Measured for all rows first, then written: one layout, not one a row.
function clamp(some) {
  const cut = some.map((row) => {
    const text = row.querySelector(".wb-text");
    return text && (row.hasAttribute("data-more") || text.scrollHeight > text.clientHeight + 2);
  });
  some.forEach((row, i) => {
    const more = row.querySelector("[data-act=expand]");
    if (!more) return;
    const word = row.hasAttribute("data-more") ? "less" : "more";
    more.hidden = !cut[i];
    // Only where it differs: a new text is a change of the markup, which is watched.
    if (more.textContent !== word) more.firstChild.data = word;
  });
}

function busy(listing) {
  const { element, props } = listing;
  clearInterval(listing.timer);
  if (!props.busy) return element.removeAttribute("data-busy");
  const start = performance.now();
  const say = () => {
    const seconds = Math.floor((performance.now() - start) / 1000);
    element.dataset.busy = seconds ? `${props.busy} ${seconds} s` : props.busy;
    if (!element.isConnected) clearInterval(listing.timer);
  };
  listing.timer = setInterval(say, 500);
  say();
}

function broken(image) {
  if (image instanceof HTMLImageElement) image.classList.add("wb-broken");
}

function stored(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(name);
    localStorage.setItem(name, value);
  } catch { /* private windows may have no storage: the choice then lasts for this page only */ }
  return value;
}

// ── clicks ────────────────────────────────────────────────────────────────────────────────────────────────────────

function click(listing, event) {
  if (!(event.target instanceof Element)) return;
  const row = event.target.closest(".wb-row");
  const button = event.target.closest("[data-act]");
  if (row) {
    activate(listing);
    if (event.target.closest(".wb-judge")) return move(listing, rows(listing).indexOf(row), false); // see judging.mjs
    if (!button && String(getSelection())) return; // marking text is not a click
  }
  if (button) act(listing, button.dataset.act, row, button.dataset);
  else if (row && !event.target.closest("a, summary")) act(listing, "pick", row, row.dataset);
}

function activate(listing) {
  active?.element.removeAttribute("data-active");
  active = listing;
  active?.element.setAttribute("data-active", "");
}

function act(listing, name, row, data = {}) {
  const ordinal = Number(data.ordinal ?? (row || listing.element.querySelector("[data-ordinal]"))?.dataset.ordinal ?? -1);
  if (row) move(listing, rows(listing).indexOf(row), false);
  if (name === "expand") {
    row.toggleAttribute("data-more");
    clamp([row]);
  } else if (name === "view") {
    const small = listing.element.querySelector(".wb-compact");
    const all = small ? living().filter((one) => one.element.querySelector(".wb-compact")) : [listing];
    stored(small ? "wb.view.columns" : "wb.view", data.to);
    for (const one of all) { one.element.dataset.view = data.to; refresh(one, false); }
  } else if (name === "pick") {
    listing.element.dispatchEvent(new CustomEvent("wb-open", { bubbles: true })); // compare.mjs makes room for it
    listing.events.pick({ ordinal });
  }
  else if (name === "nearest" || name === "retitle" || name === "use") listing.events[name]({ ordinal, encoder: data.encoder || "" });
  else if (name in listing.events) listing.events[name]({ ...data });
}

function move(listing, to, follow = true) {
  const all = rows(listing);
  if (!all.length) return;
  listing.at = Math.max(0, Math.min(all.length - 1, to));
  all.forEach((row, i) => row.toggleAttribute("data-cursor", i === listing.at));
  const row = all[listing.at];
  row.scrollIntoView({ block: "nearest" });
  // While a document is open beside the list, it follows the cursor, a little late so that a held key asks once.
  clearTimeout(listing.later);
  if (follow && panel()) listing.later = setTimeout(() => act(listing, "pick", row), 150);
}

// ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";

function keydown(event) {
  const target = event.target instanceof Element ? event.target : document.body;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (target.closest(TYPING)) return;
  if (help?.open) {
    if (event.key === "?") help.close();
    return; // Escape closes a dialog by itself
  }
  if (document.querySelector("dialog[open]")) return;
  const all = living();
  if (!all.includes(active) || !rows(active).length) activate(all.find((one) => rows(one).length) || null);
  if (event.key === "Enter" && target.closest("button, a, summary, label")) return;
  if (press(event.key, active)) event.preventDefault();
}

function press(key, listing) {
  if (key === "?") return showHelp();
  if (key === "/") return focusQuery();
  if (key === "Escape") return outward(listing);
  const hot = [...document.querySelectorAll("[data-hot]:not([disabled])")].find((one) => one.dataset.hot === key);
  if (hot) return hot.click(), true;
  if (!listing) return false;
  const row = rows(listing)[listing.at];
  const across = listing.element.dataset.view === "grid";
  const steps = { j: 1, k: -1, ArrowDown: across ? columns(listing) : 1, ArrowUp: across ? -columns(listing) : -1 };
  if (across) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
  const beside = { h: -1, l: 1, ...(across ? {} : { ArrowLeft: -1, ArrowRight: 1 }) };
  if (key in beside && sideways(listing, beside[key])) return true;
  if (key in steps) return move(listing, listing.at < 0 ? 0 : listing.at + steps[key]), true;
  if (key === "n" || key === "p") {
    const button = listing.element.querySelector(`[data-key=${key}]:not([disabled])`);
    return button ? (button.click(), true) : false;
  }
  if (!row) return false;
  const acts = { Enter: "pick", o: "pick", e: "expand", m: "nearest" };
  if (!(key in acts)) return false;
  if (acts[key] === "pick" || row.querySelector(`[data-act=${acts[key]}]:not([hidden])`)) act(listing, acts[key], row);
  return true;
}

// To the column beside: the same document where it is there too, else the same height.
function sideways(listing, by) {
  const box = (one) => one.element.getBoundingClientRect();
  const beside = living().filter((one) => one.element.closest(".wb-col") && rows(one).length)
    .sort((a, b) => box(a).left - box(b).left || box(a).top - box(b).top);
  const next = beside[beside.indexOf(listing) + by];
  if (!beside.includes(listing) || !next) return false;
  const ordinal = rows(listing)[listing.at]?.dataset.ordinal;
  const same = rows(next).findIndex((row) => row.dataset.ordinal === ordinal);
  for (const row of rows(listing)) row.removeAttribute("data-cursor");
  const at = same >= 0 ? same : Math.max(0, listing.at);
  listing.at = -1;
  activate(next);
  move(next, at);
  return true;
}

function columns(listing) {
  const all = rows(listing);
  return Math.max(1, all.findIndex((row) => row.offsetTop > all[0].offsetTop));
}

function outward(listing) {
  const shown = panel();
  if (shown) return shown.events.shut({}), true;
  if (!listing || listing.at < 0) return false;
  rows(listing)[listing.at]?.removeAttribute("data-cursor");
  listing.at = -1;
  return true;
}

function focusQuery() {
  const box = document.querySelector(".wb-query textarea, .wb-query input");
  if (!box) return false;
  box.focus();
  box.select();
  return true;
}

function showHelp() {
  const judges = document.querySelector(".wb-judging:not([hidden])");
  if (!help?.isConnected || help.dataset.judges !== String(Boolean(judges))) {
    help?.remove();
    help = document.createElement("dialog");
    help.className = "wb-keys";
    const title = document.createElement("h3");
    title.textContent = "Keys";
    const list = document.createElement("dl");
    help.dataset.judges = Boolean(judges);
    const columns = document.querySelector(".wb-col") ? COLUMN_KEYS : [];
    const more = judges ? [...columns.map(([keys, what]) => [keys.replace(/[hl] +/, ""), what]), ...JUDGING_KEYS] : columns;
    for (const [keys, what] of [...KEYS.slice(0, 3), ...more, ...KEYS.slice(3)]) {
      const term = document.createElement("dt"), line = document.createElement("dd");
      for (const key of keys.split(/\s+/)) term.append(Object.assign(document.createElement("kbd"), { textContent: key }));
      line.textContent = what;
      list.append(term, line);
    }
    const note = document.createElement("p");
    note.textContent = "Keys rest while you write in a field.";
    help.append(title, list, note);
    help.addEventListener("click", () => help.close());
    document.querySelector(".gradio-container")?.append(help) ?? document.body.append(help);
  }
  help.showModal();
  return true;
}
