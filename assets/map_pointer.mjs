// What the pointer does on a map: drag, wheel and pinch move it; a click picks; a box or a lasso is drawn.

const CLICK = 4; // pixels: a shorter drag is a click
const REST = 120; // milliseconds until a hover counts

// `view`: {camera, mode(), moved(), draw(shape|null), drawn(shape), pick(x, y, step), empty(), hover(x, y), rest(), leave()}.
export function listenToPointer(stage, view) {
  const { camera } = view, down = new Map();
  let drag = null, resting = 0;
  const at = (event) => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const start = (event) => {
    if (event.button > 0) return;
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, at(event));
    stage.querySelector("canvas").focus({ preventScroll: true });
    drag = down.size > 1 ? { kind: "pinch" } : begin(event, at(event), view.mode());
    stage.dataset.drag = drag.kind;
  };
  const move = (event) => {
    const point = at(event);
    if (!drag) return hover(point);
    const before = down.get(event.pointerId);
    if (!before) return;
    down.set(event.pointerId, point);
    if (drag.kind === "pinch") return pinch(event.pointerId, before, point);
    drag.far ||= Math.hypot(point[0] - drag.start[0], point[1] - drag.start[1]) >= CLICK;
    if (!drag.far) return;
    view.leave();
    if (drag.kind === "pan") {
      camera.pan(point[0] - drag.last[0], point[1] - drag.last[1]);
      drag.last = point;
      view.moved();
    } else view.draw(shapeOf(drag, (event.getCoalescedEvents?.() || []).map(at).concat([point]), camera));
  };
  const end = (event) => {
    if (!down.delete(event.pointerId) || down.size) return;
    const ended = drag;
    drag = null;
    delete stage.dataset.drag;
    if (!ended || ended.kind === "pinch") return;
    if (!ended.far) return event.type === "pointerup" && view.pick(...ended.start, clickStep(event));
    if (ended.kind !== "pan") event.type === "pointerup" ? view.drawn(shapeOf(ended, [], camera)) : view.draw(null);
  };
  const pinch = (id, before, point) => {
    const [other] = [...down].find(([each]) => each !== id) ? [...down].filter(([each]) => each !== id).map(([, p]) => p) : [null];
    if (!other) return;
    const far = ([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
    camera.zoomAt(...other, far(point) / far(before));
    view.moved();
  };
  const hover = (point) => {
    clearTimeout(resting);
    view.hover(...point);
    resting = setTimeout(view.rest, REST);
  };
  const leave = () => { clearTimeout(resting); view.leave(); };
  const wheel = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    camera.zoomAt(...at(event), Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) / 200));
    view.moved();
  };
  const twice = (event) => view.empty(...at(event));
  const all = { pointerdown: start, pointermove: move, pointerup: end, pointercancel: end, pointerleave: leave, dblclick: twice };
  for (const [name, listener] of Object.entries(all)) stage.addEventListener(name, listener);
  stage.addEventListener("wheel", wheel, { passive: false });
  return {
    drawing: () => Boolean(drag && drag.far && drag.kind !== "pan"),
    cancel() { if (drag) drag = null; down.clear(); delete stage.dataset.drag; view.draw(null); },
    stop: () => clearTimeout(resting),
  };
}

// Shift draws also where the tool is to move: a box, with ctrl or ⌘ a lasso. Shift adds, alt removes.
function begin(event, start, mode) {
  const wanted = event.shiftKey || event.altKey;
  const kind = mode !== "pan" ? mode : wanted ? (event.ctrlKey || event.metaKey ? "lasso" : "box") : "pan";
  const step = event.altKey ? "remove" : event.shiftKey ? "add" : "replace";
  return { kind, step, start, last: start, path: [start], far: false };
}

const clickStep = (event) => (event.altKey ? "remove" : event.shiftKey || event.ctrlKey || event.metaKey ? "toggle" : "replace");

function shapeOf(drag, points, camera) {
  drag.path.push(...points);
  const end = drag.path.at(-1), [x0, y0] = drag.start, [x1, y1] = end;
  const pixels = drag.kind === "box" ? [[x0, y0], [x1, y0], [x1, y1], [x0, y1]] : drag.path;
  return { mode: drag.kind, step: drag.step, corners: pixels.map((each) => camera.data(...each)) };
}
