// The map: up to millions of points, picked, selected and lit up in the browser. `attach` is for the Gradio component
// (ui/components/point_map.py), `mount` for any page; docs of the values are there.
//
// mount(el, {n, x, y, cat}, {pick, hover, lasso, clear, look}, options) → view. A row is a point's place in the wire's
// order. Selections leave as shapes of at most 100 corners in the map's coordinates: Python computes their members.

import { joinBus } from "./map_bus.mjs";
import { crowding, look, makeCamera } from "./map_camera.mjs";
import { makeCard } from "./map_card.mjs";
import { colourTable, LEGEND, readTokens } from "./map_colors.mjs";
import { makePainter as makeFlat } from "./map_flat.mjs";
import { makeFrames } from "./map_frames.mjs";
import { makePainter as makeGl } from "./map_gl.mjs";
import { bounds, buildIndex, simplify } from "./map_grid.mjs";
import { drawOverlay } from "./map_overlay.mjs";
import { listenToPointer } from "./map_pointer.mjs";
import { listenToKeys, makeToolbar } from "./map_toolbar.mjs";

const PICK = 8; // pixels around the pointer in which a point is found
const STILL = 120; // milliseconds without movement until every point is drawn
const DIM = 1, CHOSEN = 2; // of a point's flags; the six higher bits say how crowded its place is

export async function fetchBytes(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the server answered ${answer.status} to ${url.split("?")[0]}`);
  return answer.arrayBuffer();
}

// 9 bytes a point: x f32[n], y f32[n], category u8[n], little-endian.
export async function fetchPoints(url) {
  const bytes = await fetchBytes(url), n = bytes.byteLength / 9;
  if (!Number.isInteger(n)) throw new Error("the points are cut off: load the page again");
  return { n, x: new Float32Array(bytes, 0, n), y: new Float32Array(bytes, 4 * n, n), cat: new Uint8Array(bytes, 8 * n, n) };
}

export function mount(host, points, handlers = {}, options = {}) {
  const { n, x, y } = points, box = bounds(points), camera = makeCamera(box), crowd = crowding(points, box);
  const parts = build(host, n, options.alt), { stage, over, status } = parts;
  const brush = over.getContext("2d");
  const state = { mode: "pan", legend: { ...LEGEND }, flags: new Uint8Array(n), kinds: points.cat, off: new Uint8Array(256), chosen: 0, dimmed: 0, alive: true };
  for (let row = 0; row < n; row++) state.flags[row] = crowd.level(row) << 2;
  const scene = { labels: [], shown: true, highlight: [], marks: [], path: null, query: null, shape: null };
  const place = (row) => [x[row], y[row]];
  const valid = (row) => Number.isInteger(row) && row >= 0 && row < n;
  const visible = (row) => row < painter.most && !(state.flags[row] & DIM) && !state.off[state.kinds[row]];
  let tokens = readTokens(host), index = null, pending = 0, dirty = true, overDirty = true, moving = false, still = 0, times = {};
  const indexed = () => (index ??= buildIndex(points));
  const tell = (name, detail) => handlers[name]?.(detail);

  // ── drawing ───────────────────────────────────────────────────────────────────────────────────────────────────
  const painter = choosePainter(parts, points, (gone) => { gone ? say("The graphics device went away; the map comes back with it.") : restore(); });
  const frames = makeFrames(painter);
  const schedule = () => { if (!pending && state.alive) pending = requestAnimationFrame(tick); };
  const tick = () => {
    pending = 0;
    if (camera.width < 2 || !state.alive) return;
    if (overDirty) drawOver();
    if (!painter.idle()) return schedule();
    frames.learn();
    if (!dirty && host.dataset.drawn !== "no") { // the device is through with what was sent
      times.first ||= performance.now();
      if (!frames.incomplete()) times.all ||= performance.now();
    }
    if (dirty) {
      dirty = false;
      host.dataset.drawn = frames.draw({ camera, ...look(camera, crowd.typical), chosen: state.chosen > 0, split: split(), ground: tokens.surface, dpr: parts.dpr }, moving) ? "all" : "some";
      schedule();
    } else if (frames.incomplete() && !moving) {
      if (frames.refine() === "done") host.dataset.drawn = "all";
      schedule();
    }
  };
  const drawOver = () => {
    overDirty = false;
    brush.setTransform(parts.dpr, 0, 0, parts.dpr, 0, 0);
    host.dataset.named = drawOverlay(brush, camera, tokens, scene, place).named;
  };
  const split = () => state.chosen > 0 || state.dimmed > 0 || state.legend.hidden.length > 0;
  const repaint = () => { dirty = overDirty = true; host.dataset.drawn = "no"; times = {}; schedule(); };
  const redrawOver = () => { overDirty = true; schedule(); };
  const colours = () => { painter.table(colourTable(tokens, state.legend)); repaint(); };
  const restore = () => { painter.kinds(state.kinds); painter.flags(state.flags); parts.fit(painter); say(); colours(); };
  const moved = (quiet) => {
    moving = true;
    card.hide();
    clearTimeout(still);
    still = setTimeout(() => { moving = false; schedule(); tell("look", camera.at()); }, STILL);
    if (!quiet) bus.tell("look", camera.at());
    repaint();
  };

  // ── selecting ─────────────────────────────────────────────────────────────────────────────────────────────────
  const choose = (rows, step) => {
    if (step === "replace" && state.chosen) for (let i = 0; i < n; i++) state.flags[i] &= ~CHOSEN;
    for (const row of rows) {
      if (step === "remove" || (step === "toggle" && state.flags[row] & CHOSEN)) state.flags[row] &= ~CHOSEN;
      else state.flags[row] |= CHOSEN;
    }
    flagged();
  };
  const flagged = () => {
    state.chosen = state.dimmed = 0;
    for (let i = 0; i < n; i++) { state.chosen += (state.flags[i] >> 1) & 1; state.dimmed += state.flags[i] & DIM; }
    host.dataset.chosen = state.chosen;
    painter.flags(state.flags);
    say();
    repaint();
  };
  const clear = (quiet) => {
    choose([], "replace");
    if (quiet) return;
    bus.tell("select", { rows: new Uint32Array(), step: "replace" });
    tell("clear", {});
  };
  const drawn = ({ mode, step, corners }) => {
    scene.shape = null;
    redrawOver();
    const path = mode === "lasso" ? simplify(corners, 0.75 / camera.scale) : corners;
    const polygon = path.map((pair) => pair.map((value) => Number(value.toFixed(6))));
    if (polygon.length < 3) return say("A lasso needs three corners or more.");
    const all = indexed().inside(polygon), rows = all.filter(visible);
    if (!all.length) return say("Nothing lies inside.");
    choose(rows, step);
    bus.tell("select", { rows, step });
    tell("lasso", { polygon: mode === "box" ? [polygon[0], polygon[2]] : polygon, mode, step, count: rows.length, all: all.length, chosen: state.chosen });
  };
  const find = (px, py) => indexed().nearest(...camera.data(px, py), PICK / camera.scale, visible);
  const say = (sentence) => {
    const some = painter.most < n ? `This browser has no WebGL2: ${painter.most.toLocaleString("en")} of ${n.toLocaleString("en")} points are drawn. ` : "";
    const chosen = state.chosen ? `${state.chosen.toLocaleString("en")} / ${n.toLocaleString("en")} selected` : `${n.toLocaleString("en")} points`;
    status.textContent = some + (sentence || chosen + (state.dimmed ? ` · ${(n - state.dimmed).toLocaleString("en")} pass the filter` : ""));
  };

  // ── hands ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const card = makeCard(stage);
  const hoverAt = (row, quiet) => {
    if (row === card.row()) return;
    card.point(row, row < 0 ? [0, 0] : camera.px(...place(row)), look(camera, crowd.typical).size);
    stage.dataset.over = row;
    if (!quiet) bus.tell("hover", { row });
    if (row < 0 && !quiet) tell("hover", { row });
  };
  const pointer = listenToPointer(stage, {
    camera, mode: () => state.mode, moved, drawn,
    draw: (shape) => { scene.shape = shape; redrawOver(); },
    hover: (px, py) => hoverAt(find(px, py)),
    rest: () => { if (card.row() >= 0) { card.rest(); tell("hover", { row: card.row() }); } },
    leave: () => hoverAt(-1),
    pick(px, py, step) {
      const row = find(px, py);
      if (row >= 0) tell("pick", { row, step, x: x[row], y: y[row] });
    },
    empty: (px, py) => { if (state.chosen && find(px, py) < 0) clear(); },
  });
  const act = (tool) => {
    if (tool === "in" || tool === "out") camera.zoomAt(camera.width / 2, camera.height / 2, tool === "in" ? 1.6 : 1 / 1.6);
    else if (tool === "reset") camera.reset();
    else if (tool === "labels") return view.showLabels(!scene.shown);
    else return view.mode(tool);
    moved();
  };
  const outward = () => {
    if (pointer.drawing()) return pointer.cancel(), true;
    if (state.chosen) return clear(), true;
    if (!camera.moved()) return false;
    return act("reset"), true;
  };
  const toolbar = makeToolbar(host, act);
  const noKeys = listenToKeys(host, { act, outward, drawing: pointer.drawing, move: (dx, dy) => { camera.pan(dx, dy); moved(); } });
  const bus = joinBus({
    hover: ({ row }) => valid(row) ? hoverAt(row, true) : hoverAt(-1, true),
    select: ({ rows, step }) => choose(rows, step),
    look: ({ x, y, zoom }) => { if (options.follow !== false) { camera.look(x, y, zoom); moved(true); } },
  });

  const view = {
    n, px: (row) => camera.px(...place(row)), at: camera.at, find, few: frames.few, times: () => times, scene: () => ({ ...scene }),
    // one byte a point; `legend`: see map_colors.mjs
    recolor(bytes, legend) {
      if (bytes && bytes.length !== n) throw new Error(`the colouring is for ${bytes.length} points, the map has ${n}`);
      state.kinds = bytes || points.cat;
      painter.kinds(state.kinds);
      view.legend(legend || {});
    },
    legend(legend) {
      state.legend = { ...LEGEND, ...legend, hidden: legend?.hidden || [] };
      state.off.fill(0);
      for (const byte of state.legend.hidden) state.off[byte] = 1;
      colours();
    },
    // u8[n], 0 is dimmed; null: nothing is
    filter(bytes) {
      if (bytes && bytes.length !== n) throw new Error(`the filter is for ${bytes.length} points, the map has ${n}`);
      for (let i = 0; i < n; i++) state.flags[i] = (state.flags[i] & ~DIM) | (bytes && !bytes[i] ? DIM : 0);
      flagged();
    },
    // u8[n], 1 is selected; null: nothing is
    select(bytes) {
      for (let i = 0; i < n; i++) state.flags[i] = (state.flags[i] & ~CHOSEN) | (bytes && bytes[i] ? CHOSEN : 0);
      flagged();
    },
    highlight(hits) { scene.highlight = (hits || []).map((hit, i) => (typeof hit === "number" ? { row: hit, rank: i + 1 } : hit)).filter((hit) => valid(hit.row)); redrawOver(); },
    marks(marks) { scene.marks = (marks || []).filter((mark) => valid(mark.row)); host.dataset.marks = scene.marks.length; redrawOver(); },
    path(path) { scene.path = path && (valid(path.from) || Array.isArray(path.from)) ? { ...path, to: (path.to || []).filter(valid) } : null; redrawOver(); },
    query(query) { scene.query = query; redrawOver(); },
    labels(labels) { scene.labels = [...(labels || [])].sort((a, b) => b.size - a.size); redrawOver(); },
    showLabels(on) { scene.shown = on; toolbar.show(state.mode, on); redrawOver(); },
    view(cx, cy, zoom) { camera.look(cx, cy, zoom); moved(); },
    reset: () => act("reset"),
    mode(name) { state.mode = stage.dataset.mode = name; toolbar.show(name, scene.shown); },
    clear: () => clear(true),
    card: (template) => card.source(template),
    preview: (markup, row) => card.html(markup, row),
    link: (name) => bus.link(name),
    follow(on) { options.follow = on; },
    say,
    destroy() {
      state.alive = false;
      clearTimeout(still);
      for (const stop of [noKeys, pointer.stop, bus.leave, painter.destroy, parts.unwatch]) stop();
      host.replaceChildren();
    },
  };
  parts.watch(() => { const { width, height } = parts.fit(painter); camera.resize(width, height); if (!camera.placed) { camera.placed = true; camera.reset(); } repaint(); },
    () => { tokens = readTokens(host); colours(); });
  painter.kinds(state.kinds);
  painter.flags(state.flags);
  view.mode("pan");
  view.legend({});
  say();
  setTimeout(() => state.alive && indexed(), 600); // before the first hover asks for it
  return view;
}

function choosePainter(parts, points, lost) {
  try {
    return makeGl(parts.canvas, points, lost);
  } catch (error) {
    // A canvas that was asked for WebGL2 in vain still takes a 2-D context.
    parts.canvas.closest(".wb-map").dataset.flat = error.message;
    return makeFlat(parts.canvas, points);
  }
}

// The elements of a map, and how they follow its size and the page's colours.
function build(host, n, alt = "") {
  host.classList.add("wb-map");
  host.innerHTML = `<div class="wb-map-stage"><canvas role="img" tabindex="0"></canvas><canvas class="wb-map-over" aria-hidden="true"></canvas></div>
    <div class="wb-map-status" role="status"></div>`;
  const [canvas, over] = host.querySelectorAll("canvas"), stage = host.firstElementChild;
  canvas.setAttribute("aria-label", alt || `Map of ${n.toLocaleString("en")} documents: near points are alike. Keys: g move, b box, s lasso, r whole map, + and − zoom, arrows move, l names.`);
  const parts = { canvas, over, stage, status: host.lastElementChild, dpr: 1, unwatch() {} };
  parts.fit = (painter) => {
    const { clientWidth: width, clientHeight: height } = stage;
    parts.dpr = Math.min(2, devicePixelRatio || 1);
    const [w, h] = [Math.max(1, Math.round(width * parts.dpr)), Math.max(1, Math.round(height * parts.dpr))];
    painter.resize(w, h);
    [over.width, over.height] = [w, h];
    return { width, height };
  };
  parts.watch = (sized, coloured) => {
    const size = new ResizeObserver(sized), theme = new MutationObserver(coloured);
    size.observe(stage);
    theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    parts.unwatch = () => { size.disconnect(); theme.disconnect(); };
  };
  return parts;
}
