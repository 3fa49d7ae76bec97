// What lies over the points, on a 2-D canvas: neighbour lines, cluster names, marks of judgments, hits with their
// ranks, the query, and the shape that is being drawn. Everything is in coordinates of the map or rows of it.

const ROOM = 15_000; // square pixels of the map for each cluster name
const DISC = 9;

// `scene`: {labels, shown, highlight, marks, path, query, shape}; `place(row)` → [x, y] of the map.
export function drawOverlay(brush, camera, tokens, scene, place) {
  const pen = { brush, camera, tokens, taken: [], at: (row) => camera.px(...place(row)) };
  brush.clearRect(0, 0, camera.width, camera.height);
  brush.lineJoin = brush.lineCap = "round";
  brush.textBaseline = "middle";
  if (scene.path) drawPath(pen, scene.path);
  const ranked = placeRanks(pen, scene.highlight);
  if (scene.query) reserve(pen, camera.px(scene.query.x + 60 / camera.scale, scene.query.y), 80, 14);
  const named = scene.shown ? drawLabels(pen, scene.labels) : 0;
  const hit = new Set(ranked.filter((each) => each.full).map((each) => each.row));
  for (const mark of scene.marks) drawMark(pen, mark, hit.has(mark.row));
  drawRanks(pen, ranked);
  if (scene.query) drawQuery(pen, scene.query);
  if (scene.shape) drawShape(pen, scene.shape);
  return { named };
}

const within = ({ camera }, [x, y], room) => x > -room && y > -room && x < camera.width + room && y < camera.height + room;

function reserve(pen, [x, y], w, h) {
  const box = [x - w, y - h, x + w, y + h];
  if (pen.taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) return false;
  return pen.taken.push(box) > 0;
}

function halo({ brush, tokens }, width, draw, colour) {
  brush.strokeStyle = tokens.css.surface;
  brush.lineWidth = width + 3;
  draw();
  brush.strokeStyle = colour;
  brush.lineWidth = width;
  draw();
}

// ── neighbours ────────────────────────────────────────────────────────────────────────────────────────────────────

// From one point to its true neighbours, the nearest drawn strongest.
function drawPath(pen, { from, to }) {
  const { brush, tokens } = pen, start = Array.isArray(from) ? pen.camera.px(...from) : pen.at(from);
  [...to].reverse().forEach((row, i) => {
    const end = pen.at(row);
    brush.globalAlpha = 0.35 + (0.6 * (i + 1)) / to.length;
    halo(pen, 1.4, () => { brush.beginPath(); brush.moveTo(...start); brush.lineTo(...end); brush.stroke(); }, tokens.css.accent);
    brush.globalAlpha = 1;
    dot(pen, end, 4, tokens.css.accent);
  });
  dot(pen, start, 6.5, tokens.css.text);
}

function dot({ brush, tokens }, [x, y], radius, colour) {
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
  brush.fillStyle = colour;
  brush.strokeStyle = tokens.css.surface;
  brush.lineWidth = 1.75;
  brush.fill();
  brush.stroke();
}

// ── cluster names ─────────────────────────────────────────────────────────────────────────────────────────────────

// Largest first, each above or below its centre, so that a small island stays in sight; further ones appear as the map is
// drawn closer.
function drawLabels(pen, labels) {
  const { brush, camera, tokens } = pen;
  const most = Math.max(4, (camera.width * camera.height) / ROOM), largest = labels[0]?.size || 1;
  let count = 0;
  for (const label of labels) {
    const at = camera.px(label.x, label.y);
    if (!within(pen, at, -4)) continue;
    const size = Math.round(10.5 + 3 * Math.sqrt(label.size / largest));
    brush.font = `700 ${size}px ${tokens.font}`;
    const lines = broken(label.text), half = Math.max(...lines.map((line) => measure(brush, line))) / 2;
    const tall = lines.length * size * 0.62 + 3;
    const step = tall + 9;
    const shift = [-step, step, 0, -2 * step, 2 * step].find((by) => reserve(pen, [at[0], at[1] + by], half + 5, tall));
    if (shift === undefined) continue;
    brush.textAlign = "center";
    lines.forEach((line, i) => write(pen, line, at[0], at[1] + shift + (i - (lines.length - 1) / 2) * size * 1.15, tokens.css.text));
    if (++count >= most) break;
  }
  return count;
}

const widths = new WeakMap();
function measure(brush, text) {
  const known = widths.get(brush) || widths.set(brush, new Map()).get(brush), key = brush.font + text;
  if (known.size > 5000) known.clear();
  if (!known.has(key)) known.set(key, brush.measureText(text).width);
  return known.get(key);
}

// A long name on two lines, broken near its middle; very long ones are cut.
function broken(text) {
  const whole = text.length > 44 ? `${text.slice(0, 43).trimEnd()}…` : text;
  if (whole.length < 20) return [whole];
  const gaps = [...whole.matchAll(/\s+/g)].map((gap) => gap.index);
  if (!gaps.length) return [whole];
  const middle = gaps.reduce((best, gap) => (Math.abs(gap - whole.length / 2) < Math.abs(best - whole.length / 2) ? gap : best));
  return [whole.slice(0, middle).replace(/[\s·,]+$/, ""), whole.slice(middle).replace(/^[\s·,]+/, "")];
}

function write({ brush, tokens }, text, x, y, colour) {
  brush.strokeStyle = tokens.css.surface;
  brush.globalAlpha = 0.88;
  brush.lineWidth = 4;
  brush.strokeText(text, x, y);
  brush.globalAlpha = 1;
  brush.fillStyle = colour;
  brush.fillText(text, x, y);
}

// ── hits, judgments, query ────────────────────────────────────────────────────────────────────────────────────────

// Which hits have room for their number: better ranks first.
function placeRanks(pen, highlight) {
  return highlight.map((hit) => ({ ...hit, at: pen.at(hit.row) })).filter((hit) => within(pen, hit.at, DISC))
    .sort((a, b) => a.rank - b.rank)
    .map((hit) => ({ ...hit, full: hit.rank > 0 && reserve(pen, hit.at, DISC - 1, DISC - 1) }));
}

function drawRanks(pen, ranked) {
  const { brush, tokens } = pen;
  brush.textAlign = "center";
  for (const hit of ranked) if (!hit.full) ring(pen, hit.at);
  for (const hit of [...ranked].reverse().filter((each) => each.full)) {
    const text = String(hit.rank);
    dot(pen, hit.at, DISC, tokens.css.text);
    brush.font = `700 ${text.length > 2 ? 9 : 11}px ${tokens.font}`;
    brush.fillStyle = tokens.css.surface;
    brush.fillText(text, hit.at[0], hit.at[1] + 0.5);
  }
}

function ring(pen, [x, y]) {
  const { brush, tokens } = pen;
  halo(pen, 2, () => { brush.beginPath(); brush.arc(x, y, 5, 0, 2 * Math.PI); brush.stroke(); }, tokens.css.text);
}

// Shape and colour both say it: a disc with a tick is relevant (a higher grade stands beside it), a square with a cross
// is a hard negative, a diamond with a dash was judged not relevant.
const STROKES = {
  positive: [[-3.2, 0.2, -0.8, 2.6], [-0.8, 2.6, 3.4, -2.6]],
  negative: [[-2.8, -2.8, 2.8, 2.8], [-2.8, 2.8, 2.8, -2.8]],
  irrelevant: [[-3, 0, 3, 0]],
};

function drawMark(pen, { row, kind, grade = 0 }, covered) {
  const { brush, tokens } = pen;
  let [x, y] = pen.at(row);
  if (!within(pen, [x, y], 10)) return;
  // A hit that was judged shows both: its rank at its place, the mark beside it.
  if (covered) [x, y] = [x + DISC + 4, y - DISC - 2];
  const lines = STROKES[kind] || STROKES.negative;
  if (kind === "positive") dot(pen, [x, y], 7.5, tokens.css.positive);
  else {
    brush.beginPath();
    if (kind === "irrelevant") for (const [dx, dy] of [[0, -8], [8, 0], [0, 8], [-8, 0]]) brush.lineTo(x + dx, y + dy);
    else brush.roundRect(x - 7, y - 7, 14, 14, 3);
    brush.closePath();
    [brush.fillStyle, brush.strokeStyle, brush.lineWidth] = [kind === "irrelevant" ? tokens.css.irrelevant : tokens.css.negative, tokens.css.surface, 1.75];
    brush.fill();
    brush.stroke();
  }
  if (grade > 1) {
    brush.font = `700 11px ${tokens.font}`;
    brush.textAlign = "left";
    write(pen, String(grade), x + 8.5, y - 5, tokens.css.text);
  }
  brush.beginPath();
  for (const [x0, y0, x1, y1] of lines) { brush.moveTo(x + x0, y + y0); brush.lineTo(x + x1, y + y1); }
  [brush.strokeStyle, brush.lineWidth] = [tokens.css.surface, 1.9];
  brush.stroke();
}

function drawQuery(pen, { x, y, text = "query", approximate = true }) {
  const { brush, camera, tokens } = pen, [px, py] = camera.px(x, y);
  if (!within(pen, [px, py], 20)) return;
  const star = () => {
    brush.beginPath();
    for (let i = 0; i < 10; i++) {
      const far = i % 2 ? 5 : 11.5, turn = (i / 5 - 0.5) * Math.PI;
      brush.lineTo(px + far * Math.cos(turn), py + far * Math.sin(turn));
    }
    brush.closePath();
  };
  star();
  [brush.strokeStyle, brush.lineWidth] = [tokens.css.surface, 5];
  brush.stroke();
  brush.fillStyle = tokens.css.accent;
  brush.fill();
  [brush.strokeStyle, brush.lineWidth] = [tokens.css.text, 1.4];
  if (approximate) brush.setLineDash([2.5, 2.5]);
  brush.stroke();
  brush.setLineDash([]);
  brush.font = `700 12px ${tokens.font}`;
  brush.textAlign = "left";
  const short = text.length > 32 ? `${text.slice(0, 31)}…` : text;
  write(pen, approximate ? `${short} (about here)` : short, px + 16, py, tokens.css.text);
}

function drawShape(pen, { corners, step }) {
  const { brush, camera, tokens } = pen;
  const outline = () => {
    brush.beginPath();
    for (const [x, y] of corners) brush.lineTo(...camera.px(x, y));
    brush.closePath();
  };
  const colour = step === "remove" ? tokens.css.negative : tokens.css.accent;
  outline();
  brush.globalAlpha = 0.12;
  brush.fillStyle = colour;
  brush.fill();
  brush.globalAlpha = 1;
  if (step === "remove") brush.setLineDash([6, 4]);
  halo(pen, 1.5, () => { outline(); brush.stroke(); }, colour);
  brush.setLineDash([]);
}
