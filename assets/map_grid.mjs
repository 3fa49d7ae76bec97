// Where points are: a grid over the map (counting sort), for the nearest point and for the points inside a shape.

const MOST_VERTICES = 100;

// The index of {n, x, y}: nearest(x, y, radius, visible) → row or −1; inside(corners) → Uint32Array of rows.
export function buildIndex({ n, x, y }) {
  const side = Math.max(8, Math.min(1024, Math.round(Math.sqrt(n / 8))));
  const box = bounds({ n, x, y });
  const across = side / (box.width || 1), up = side / (box.height || 1);
  const column = (value) => clamp(Math.floor((value - box.left) * across), side - 1);
  const line = (value) => clamp(Math.floor((value - box.bottom) * up), side - 1);
  const starts = new Uint32Array(side * side + 1), rows = new Uint32Array(n), cells = new Uint32Array(n);
  for (let i = 0; i < n; i++) starts[(cells[i] = line(y[i]) * side + column(x[i])) + 1]++;
  for (let c = 0; c < side * side; c++) starts[c + 1] += starts[c];
  const at = starts.slice(0, -1);
  for (let i = 0; i < n; i++) rows[at[cells[i]]++] = i;
  const grid = { side, box, across, up, column, line, starts, rows, x, y };
  return {
    nearest: (px, py, radius, visible) => nearest(grid, px, py, radius, visible),
    inside: (corners) => inside(grid, corners),
  };
}

export function bounds({ n, x, y }) {
  let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
  for (let i = 0; i < n; i++) {
    if (x[i] < left) left = x[i];
    if (x[i] > right) right = x[i];
    if (y[i] < bottom) bottom = y[i];
    if (y[i] > top) top = y[i];
  }
  return n ? { left, bottom, width: right - left, height: top - bottom } : { left: -1, bottom: -1, width: 2, height: 2 };
}

const clamp = (value, most) => Math.max(0, Math.min(most, value));

function nearest({ side, column, line, starts, rows, x, y }, px, py, radius, visible) {
  let found = -1, least = radius * radius;
  for (let l = line(py - radius); l <= line(py + radius); l++) {
    const first = starts[l * side + column(px - radius)], last = starts[l * side + column(px + radius) + 1];
    for (let k = first; k < last; k++) {
      const row = rows[k], dx = x[row] - px, dy = y[row] - py, far = dx * dx + dy * dy;
      if (far <= least && visible(row) && (far < least || row < found || found < 0)) [found, least] = [row, far];
    }
  }
  return found;
}

// By the even-odd rule with the arithmetic of workbench/workflows/map_views.py, so that both count the same points.
// Cells that no edge comes near are in or out as a whole.
function inside(grid, corners) {
  const { side, box, across, up, column, line, starts, rows, x, y } = grid;
  const xs = corners.map((each) => each[0]), ys = corners.map((each) => each[1]);
  const near = edgeCells(grid, corners);
  const found = new Uint32Array(rows.length);
  let count = 0;
  const [low, high] = [line(Math.min(...ys)), line(Math.max(...ys))];
  const [from, to] = [column(Math.min(...xs)), column(Math.max(...xs))];
  for (let l = low; l <= high; l++)
    for (let c = from; c <= to; c++) {
      const cell = l * side + c;
      if (starts[cell] === starts[cell + 1]) continue;
      const edge = near[cell];
      if (!edge && !holds(corners, box.left + (c + 0.5) / across, box.bottom + (l + 0.5) / up)) continue;
      for (let k = starts[cell]; k < starts[cell + 1]; k++)
        if (!edge || holds(corners, x[rows[k]], y[rows[k]])) found[count++] = rows[k];
    }
  return found.slice(0, count);
}

function holds(corners, x, y) {
  let odd = false;
  for (let i = 0, j = corners.length; i < j; i++) {
    const [x0, y0] = corners[i], [x1, y1] = corners[i + 1 < j ? i + 1 : 0];
    if (y0 === y1 || y < Math.min(y0, y1) || y >= Math.max(y0, y1)) continue;
    if (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0))) odd = !odd;
  }
  return odd;
}

// Every cell within one cell of an edge: steps of half a cell along it, each with its eight neighbours.
function edgeCells({ side, box, across, up }, corners) {
  const near = new Uint8Array(side * side);
  corners.forEach(([x0, y0], i) => {
    const [x1, y1] = corners[(i + 1) % corners.length];
    const [c0, l0] = [(x0 - box.left) * across, (y0 - box.bottom) * up];
    const [c1, l1] = [(x1 - box.left) * across, (y1 - box.bottom) * up];
    const steps = Math.min(20 * side, 1 + Math.ceil(2 * Math.max(Math.abs(c1 - c0), Math.abs(l1 - l0))));
    for (let s = 0; s <= steps; s++) {
      const c = Math.floor(c0 + ((c1 - c0) * s) / steps), l = Math.floor(l0 + ((l1 - l0) * s) / steps);
      for (let i = Math.max(0, l - 1); i <= Math.min(side - 1, l + 1); i++)
        for (let j = Math.max(0, c - 1); j <= Math.min(side - 1, c + 1); j++) near[i * side + j] = 1;
    }
  });
  return near;
}

// A drawn path with at most 100 corners: Douglas and Peucker's (1973), the tolerance doubled until few enough remain.
export function simplify(path, tolerance) {
  let kept = path;
  for (let each = tolerance; kept.length > MOST_VERTICES || each === tolerance; each *= 1.5) {
    kept = thinned(path, each);
    if (!(each > 0)) break;
  }
  return kept;
}

function thinned(path, tolerance) {
  const keep = new Uint8Array(path.length), open = [[0, path.length - 1]];
  keep[0] = keep[path.length - 1] = 1;
  while (open.length) {
    const [from, to] = open.pop();
    let far = 0, at = -1;
    for (let i = from + 1; i < to; i++) {
      const away = offLine(path[i], path[from], path[to]);
      if (away > far) [far, at] = [away, i];
    }
    if (far <= tolerance) continue;
    keep[at] = 1;
    open.push([from, at], [at, to]);
  }
  return path.filter((_, i) => keep[i]);
}

function offLine([x, y], [x0, y0], [x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  const t = length ? Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
  return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
}
