// The map under the columns of a search (ui/components/search_map.py) and the rows above it: the chosen column's hits are
// lit with their ranks; a row under the pointer has its ring on the map, and a point under the pointer marks its rows.
// A row of the *map* is a place in the wire's order; `order` says which document it is.

import { fetchBytes } from "./map.mjs";

const HOVER = "wb-map-hover"; // what linked maps tell each other (map_bus.mjs)
const me = Symbol("search");

export function mount(element, id) {
  const box = { element, id, url: "", order: null, rows: null, lit: "", pointed: -1, frame: 0, kept: new Map() };
  const changed = () => { box.frame ||= requestAnimationFrame(() => { box.frame = 0; update(box).catch((error) => report(box, error)); }); };
  const stage = document.querySelector(".wb-stage"), map = document.getElementById(id);
  const watched = { childList: true, subtree: true };
  new MutationObserver(changed).observe(element, { ...watched, attributes: true });
  if (map) new MutationObserver(changed).observe(map, { ...watched, attributes: true, attributeFilter: ["data-ready"] });
  for (const column of stage?.querySelectorAll(".wb-col") || []) new MutationObserver(changed).observe(column, watched);
  stage?.addEventListener("mouseover", (event) => fromRow(box, event.target));
  stage?.addEventListener("mouseleave", () => fromRow(box, null));
  window.addEventListener(HOVER, ({ detail }) => detail.from !== me && detail.link === link(box) && fromPoint(box, detail.row));
  changed();
}

const bar = (box) => box.element.querySelector(".wb-dockbar[data-order]");
const host = (box) => document.querySelector(`#${box.id} .wb-map-host[data-ready]`);
const link = (box) => bar(box)?.dataset.link;
const rowsOf = (column) => [...document.querySelectorAll(`#hits-${column} .wb-hits .wb-row`)];

async function update(box) {
  const shown = bar(box), view = host(box)?.__view;
  if (!shown || !view) { box.lit = ""; return; }
  await know(box, shown.dataset.order);
  if (bar(box) !== shown || host(box)?.__view !== view || box.url !== shown.dataset.order) return;
  const ordinals = rowsOf(Number(shown.dataset.column)).map((row) => Number(row.dataset.ordinal));
  const highlight = ordinals.map((ordinal, at) => ({ row: box.rows[ordinal], rank: at + 1 }));
  if (shown.dataset.like) highlight.push({ row: box.rows[Number(shown.dataset.like)], rank: 0 });
  const key = `${box.url} ${JSON.stringify(highlight)}`;
  if (box.lit === key && box.view === view) return;
  Object.assign(box, { lit: key, view });
  view.highlight(highlight.filter((each) => each.row !== undefined));
  const say = shown.querySelector("[data-say=lit]"), text = ordinals.length ? `${ordinals.length.toLocaleString("en")} hits lit` : "";
  if (say && say.textContent !== text) say.textContent = text;
  document.getElementById(box.id).dataset.lit = ordinals.length;
}

// Document of each row, and back.
async function know(box, url) {
  if (box.url === url && box.rows) return;
  if (!box.kept.has(url)) {
    const asked = fetchBytes(url).then((buffer) => {
      const order = new Uint32Array(buffer), rows = new Uint32Array(order.length);
      for (let row = 0; row < order.length; row++) rows[order[row]] = row;
      return { order, rows };
    });
    box.kept.set(url, asked);
    asked.catch(() => box.kept.delete(url));
  }
  Object.assign(box, await box.kept.get(url), { url });
}

function report(box, error) {
  const say = bar(box)?.querySelector("[data-say=lit]");
  if (say) say.textContent = `The hits could not be lit: ${error.message}.`;
}

// ── the same document above and below ─────────────────────────────────────────────────────────────────────────────

function fromRow(box, target) {
  const row = target instanceof Element ? target.closest(".wb-col .wb-row") : null;
  const at = row && box.rows && bar(box) ? (box.rows[Number(row.dataset.ordinal)] ?? -1) : -1;
  if (at === box.told) return;
  box.told = at;
  window.dispatchEvent(new CustomEvent(HOVER, { detail: { row: at, link: link(box), from: me } }));
}

function fromPoint(box, row) {
  const ordinal = row >= 0 && box.order ? box.order[row] : -1;
  if (ordinal === box.pointed) return;
  box.pointed = ordinal;
  for (const each of document.querySelectorAll(".wb-stage .wb-col .wb-row"))
    each.toggleAttribute("data-pointed", Number(each.dataset.ordinal) === ordinal);
}
