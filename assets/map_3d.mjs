// A map in three dimensions (ui/components/map_3d.py): points by URL, colours as on the flat map, drawn by plotly's
// scatter3d. A row is a point's place in the wire's order, the same as on the flat map. Texts are those of the flat map's
// card: put in as text, never as markup; plotly itself is given numbers only.

import { makeCard } from "./map_card.mjs";
import { colourTable, LEGEND, readTokens } from "./map_colors.mjs";
import { fetchBytes } from "./map.mjs";

const CLICK = 4; // pixels: a longer drag turns the picture
const REST = 120; // milliseconds until a hover brings the card
const DIM = 0.82; // how far the dimmed go towards the ground
const NEAR = 20; // lines to neighbours at most

export function attach(element, { props, watch, pick }) {
  const host = element.querySelector(".wb-space-host");
  const box = { host, props, pick, kept: new Map(), over: -1, down: null, at: [0, 0], round: 0, card: null, plot: null };
  const redraw = () => draw(box).catch((error) => {
    host.dataset.error = error.message;
    tell(box, `The picture could not be drawn: ${error.message}.`);
  });
  for (const name of ["on", "src", "color", "legend", "mask", "selection", "card", "pick", "alt"]) watch(name, redraw);
  new MutationObserver(redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  host.__space = box;
  listen(box);
  redraw();
}

// plotly's script, once, when it is first needed.
let script = null;
function plotly(address) {
  script ??= new Promise((done, fail) => {
    if (window.Plotly) return done(window.Plotly);
    const tag = Object.assign(document.createElement("script"), { src: address });
    tag.onload = () => (window.Plotly ? done(window.Plotly) : fail(new Error("plotly did not start")));
    tag.onerror = () => fail(new Error("plotly's script did not load"));
    document.head.append(tag);
  });
  script.catch(() => { script = null; });
  return script;
}

async function draw(box) {
  const { host, props } = box, round = ++box.round;
  host.toggleAttribute("data-on", Boolean(props.on));
  if (!props.on || !props.src) return clear(box);
  if (!props.script) return tell(box, "plotly is not installed, so this picture cannot be drawn.");
  if (!hasGl()) return tell(box, "This browser has no WebGL, which three dimensions need; the flat map works without.");
  if (!box.plot) tell(box, "Loading the points …");
  const [Plotly, xyz, colours, mask, chosen] = await Promise.all([
    plotly(props.script), bytes(box, props.src), bytes(box, props.color), bytes(box, props.mask), bytes(box, props.selection),
  ]);
  if (round !== box.round || !props.on) return;
  const tokens = readTokens(host), legend = { ...LEGEND, ...props.legend };
  const points = { n: xyz.byteLength / 12, ...planes(xyz) };
  const parts = sorted(points.n, colours && new Uint8Array(colours), [mask, chosen].map((each) => each && new Uint8Array(each)), legend);
  const traces = [
    cloud(points, parts.dim, parts.kinds, tokens, legend, true),
    cloud(points, parts.bright, parts.kinds, tokens, legend, false),
    ...lines(points, props.pick, tokens),
  ];
  if (!box.plot) {
    host.replaceChildren(Object.assign(document.createElement("div"), { className: "wb-space-plot" }));
    box.plot = host.firstElementChild;
    box.card = makeCard(host);
    box.Plotly = Plotly;
  }
  box.rows = traces.map((trace) => trace.customdata || []);
  box.card.source(props.card);
  host.setAttribute("aria-label", props.alt);
  await Plotly.react(box.plot, traces, layout(tokens, props.src), { displayModeBar: false, responsive: true, scrollZoom: true, showTips: false });
  if (!box.heard) {
    box.heard = true;
    box.plot.on("plotly_hover", ({ points: [found] }) => hover(box, box.rows[found.curveNumber]?.[found.pointNumber] ?? -1));
    box.plot.on("plotly_unhover", () => hover(box, -1));
  }
  host.dataset.shown = parts.bright.length;
  host.dataset.dimmed = parts.dim.length;
  delete host.dataset.error;
  host.dataset.ready = props.src;
}

const hasGl = () => {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl2") || canvas.getContext("webgl"));
};

// What an address answers, kept while it is asked for.
async function bytes(box, url) {
  if (!url) return null;
  if (!box.kept.has(url)) {
    if (box.kept.size > 12) box.kept.delete(box.kept.keys().next().value);
    const asked = fetchBytes(url);
    box.kept.set(url, asked);
    asked.catch(() => box.kept.delete(url));
  }
  return box.kept.get(url);
}

function planes(buffer) {
  const n = buffer.byteLength / 12;
  if (!Number.isInteger(n)) throw new Error("the points are cut off: load the page again");
  return { x: new Float32Array(buffer, 0, n), y: new Float32Array(buffer, 4 * n, n), z: new Float32Array(buffer, 8 * n, n) };
}

// Rows that are drawn bright, rows that are dimmed by words, filters or a selection; classes switched off are neither.
export function sorted(n, colours, masks, legend) {
  const kinds = colours || new Uint8Array(n), off = new Set(legend.hidden), bright = [], dim = [];
  for (let row = 0; row < n; row++) {
    if (off.has(kinds[row])) continue;
    (masks.every((mask) => !mask || mask[row]) ? bright : dim).push(row);
  }
  return { kinds, bright, dim };
}

function cloud({ n, x, y, z }, rows, kinds, tokens, legend, dimmed) {
  const table = colourTable(tokens, { ...legend, hidden: [] }), names = new Map();
  const name = (byte) => {
    if (!names.has(byte)) {
      const own = [0, 1, 2].map((i) => table[4 * byte + i]);
      const mixed = dimmed ? own.map((value, i) => Math.round(value + DIM * (tokens.surface[i] - value))) : own;
      names.set(byte, `rgb(${mixed.join(",")})`);
    }
    return names.get(byte);
  };
  const size = Math.max(1.6, Math.min(5, 220 / Math.sqrt(Math.max(1, n)))) * (dimmed ? 0.5 : 1);
  const take = (plane) => Float32Array.from(rows, (row) => plane[row]);
  return {
    type: "scatter3d", mode: "markers", x: take(x), y: take(y), z: take(z), customdata: rows, hoverinfo: dimmed ? "skip" : "none",
    marker: { size, color: rows.map((row) => name(kinds[row])), line: { width: 0 }, opacity: 1 },
  };
}

// The open document and lines to those of its true neighbours that are in the picture.
function lines({ n, x, y, z }, [from, to] = [-1, []], tokens) {
  if (!(from >= 0 && from < n)) return [];
  const ends = to.filter((row) => row < n).slice(0, NEAR), accent = tokens.css.accent;
  const along = (plane) => ends.flatMap((row) => [plane[from], plane[row], null]);
  return [
    { type: "scatter3d", mode: "lines", x: along(x), y: along(y), z: along(z), hoverinfo: "skip", line: { color: accent, width: 3 } },
    { type: "scatter3d", mode: "markers", x: [x[from]], y: [y[from]], z: [z[from]], customdata: [from], hoverinfo: "none",
      marker: { size: 11, symbol: "circle-open", color: accent, line: { width: 3, color: accent } } },
  ];
}

function layout(tokens, key) {
  const line = tokens.css.line, ground = tokens.css.surface;
  const axis = { title: { text: "" }, showticklabels: false, showgrid: true, gridcolor: line, zeroline: false, showline: false,
    showbackground: false, showspikes: false, ticks: "" };
  return {
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, paper_bgcolor: ground, hovermode: "closest", uirevision: key,
    scene: { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "data", bgcolor: ground, dragmode: "orbit", uirevision: key,
      camera: { eye: { x: 0.85, y: 0.85, z: 0.6 } } },
  };
}

// ── hands ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function hover(box, row) {
  box.over = row;
  box.host.toggleAttribute("data-over", row >= 0);
  box.host.dataset.row = row;
  clearTimeout(box.rest);
  if (row < 0 || box.down) return box.card?.hide();
  box.card.point(row, box.at, 8);
  box.rest = setTimeout(() => box.card.rest(), REST);
}

// plotly tells of a click when a button goes down, also at the start of a turn: so clicks are told apart here.
function listen(box) {
  const { host } = box;
  const place = (event) => {
    const frame = host.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  host.addEventListener("pointermove", (event) => { box.at = place(event); }, true);
  host.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    box.down = { at: place(event), row: box.over };
    box.card?.hide();
  }, true);
  window.addEventListener("pointerup", (event) => {
    const down = box.down;
    box.down = null;
    if (!down || !host.isConnected || down.row < 0) return;
    const [x, y] = place(event);
    if (Math.hypot(x - down.at[0], y - down.at[1]) >= CLICK) return;
    clearTimeout(box.rest);
    box.card?.hide(); // what opens may move the picture
    box.pick({ row: down.row });
  }, true);
  host.addEventListener("pointerleave", () => hover(box, -1));
}

function clear(box) {
  if (box.plot) box.Plotly.purge(box.plot);
  Object.assign(box, { plot: null, card: null, heard: false, over: -1 });
  box.host.replaceChildren();
  delete box.host.dataset.ready;
}

function tell(box, sentence) {
  clear(box);
  box.host.append(Object.assign(document.createElement("p"), { className: "wb-space-told", textContent: sentence }));
}
