// What joins the columns of a comparison: ranks against the left-most column, agreement, the same document highlighted
// everywhere, lines between neighbours. Writes attributes only: a change of markup would look like new results.

const SVG = "http://www.w3.org/2000/svg";

export function mount(element, { props, watch, server }) {
  const stage = document.querySelector(".wb-stage");
  if (!stage) return;
  const state = { stage, props, server, asked: 0, frame: 0, timer: 0, lines: null };
  // Buttons put into rows (assets/judging.mjs) change no ranking, but they move the rows.
  const changed = (seen) => (seen?.every((one) => one.target.classList?.contains("wb-judge")) ? drawLines(state) : schedule(state));
  watch("url", () => props.url && history.replaceState(history.state, "", props.url));
  const sizes = new ResizeObserver(() => drawLines(state));
  for (const column of stage.querySelectorAll(".wb-col")) {
    new MutationObserver(changed).observe(column, { childList: true, subtree: true });
    sizes.observe(column);
  }
  stage.addEventListener("mouseover", (event) => hover(state, event.target));
  stage.addEventListener("mouseleave", () => twin(state, ""));
  stage.addEventListener("wb-open", (event) => drawerAway(event.target));
  stage.addEventListener("load", () => drawLines(state), true); // pictures move what is below them
  document.addEventListener("change", (event) => {
    if (event.target instanceof Element && event.target.matches("[data-lines]")) switchLines(state, event.target.checked);
  });
  changed();
  element.dataset.ready = "1";
}

// ── after every change of a column ────────────────────────────────────────────────────────────────────────────────

function schedule(state) {
  if (!state.frame) state.frame = requestAnimationFrame(() => { state.frame = 0; update(state); });
}

const columnsOf = (stage) =>
  [...stage.querySelectorAll(".wb-col")].filter((column) => column.querySelector(".wb-colhead"));
const rowsOf = (column) => [...column.querySelectorAll(".wb-row")];
const ordinalsOf = (column) => rowsOf(column).map((row) => Number(row.dataset.ordinal));

function update(state) {
  const columns = columnsOf(state.stage);
  state.stage.dataset.columns = columns.length;
  for (const box of document.querySelectorAll("[data-lines]")) box.checked = wantsLines();
  const rankings = columns.map(ordinalsOf);
  ranks(columns, rankings);
  drawLines(state);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => agreement(state, columns, rankings), 30);
}

function ranks(columns, rankings) {
  const first = new Map((rankings[0] || []).map((ordinal, i) => [ordinal, i + 1]));
  columns.slice(1).forEach((column, n) => {
    rowsOf(column).forEach((row, i) => {
      const cell = row.querySelector(".wb-delta");
      if (!cell) return;
      const before = first.get(rankings[n + 1][i]);
      const by = before === undefined ? null : before - (i + 1);
      cell.dataset.text = !first.size ? "" : by === null ? "new" : by > 0 ? `▲${by}` : by < 0 ? `▼${-by}` : "=";
      cell.dataset.way = by === null ? "new" : by > 0 ? "up" : by < 0 ? "down" : "same";
      cell.title = !first.size ? "" : by === null ? "Not among the hits of column A" : `Rank ${before} in column A`;
    });
  });
}

// Overlap and RBO are computed where the library computes them; while a column is still empty they wait.
async function agreement(state, columns, rankings) {
  const asked = ++state.asked;
  if (columns.length < 2) return;
  const full = rankings.map((ranking, i) => (ranking.length ? i : -1)).filter((i) => i >= 0);
  const say = (column, name, text, title = "") => {
    const cell = column.querySelector(`[data-say=${name}]`);
    if (cell) Object.assign(cell.dataset, { text }), (cell.title = title);
  };
  if (full.length < 2 || !rankings[0].length) {
    for (const column of columns) for (const name of ["overlap", "shared"]) say(column, name, "");
    return;
  }
  const k = Math.max(1, state.props.k || 10);
  let told;
  try {
    told = await state.server.agree({ rankings: full.map((i) => rankings[i]), k });
  } catch { return; }
  if (asked !== state.asked || !told?.columns) return;
  full.forEach((i, n) => {
    const { only, overlap, rbo } = told.columns[n];
    if (i === 0) say(columns[i], "overlap", "the others against this", "Ranks, overlap and RBO of the others are against this column");
    else say(columns[i], "overlap", `overlap@${k} ${overlap.toFixed(2)} · RBO ${rbo.toFixed(2)}`,
      "Against column A: share of common documents, and rank-biased overlap (p = 0.9)");
    say(columns[i], "shared", `common ${told.common} · only here ${only}`,
      `${told.common} documents stand in all ${full.length} columns, ${only} in this one alone`);
  });
}

// ── the same document everywhere ──────────────────────────────────────────────────────────────────────────────────

function hover(state, target) {
  const row = target instanceof Element ? target.closest(".wb-col .wb-row") : null;
  twin(state, row && state.stage.dataset.columns > 1 ? row.dataset.ordinal : "");
}

function twin(state, ordinal) {
  if (state.twin === ordinal) return;
  state.twin = ordinal;
  for (const row of state.stage.querySelectorAll(".wb-col .wb-row"))
    row.toggleAttribute("data-twin", ordinal !== "" && row.dataset.ordinal === ordinal);
  for (const line of state.lines?.children || []) line.toggleAttribute("data-on", line.dataset.ordinal === ordinal);
}

// ── lines ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function wantsLines() {
  try { return localStorage.getItem("wb.lines") === "1"; } catch { return false; }
}

function switchLines(state, on) {
  try { localStorage.setItem("wb.lines", on ? "1" : "0"); } catch { /* lasts for this drawing only */ }
  drawLines(state, on);
}

function drawLines(state, on = wantsLines()) {
  const columns = columnsOf(state.stage);
  on = on && columns.length > 1;
  state.stage.toggleAttribute("data-lined", on);
  if (!on) return state.lines?.remove(), (state.lines = null);
  if (!state.lines?.isConnected) {
    state.lines = document.createElementNS(SVG, "svg");
    state.lines.classList.add("wb-lines");
    state.lines.setAttribute("aria-hidden", "true");
    state.stage.append(state.lines);
  }
  const frame = state.stage.getBoundingClientRect();
  const boxes = columns.map((column) => new Map(rowsOf(column).map((row) => [row.dataset.ordinal, row.getBoundingClientRect()])));
  const paths = [];
  for (let i = 0; i + 1 < boxes.length; i++)
    for (const [ordinal, from] of boxes[i]) {
      const to = boxes[i + 1].get(ordinal);
      if (!to || to.left < from.right) continue; // columns below each other have no side to join
      const path = document.createElementNS(SVG, "path");
      const [x0, x1] = [from.right - frame.left, to.left - frame.left];
      const [y0, y1] = [from.top + 17 - frame.top, to.top + 17 - frame.top];
      const half = (x0 + x1) / 2;
      path.setAttribute("d", `M${x0} ${y0}C${half} ${y0} ${half} ${y1} ${x1} ${y1}`);
      path.dataset.ordinal = ordinal;
      path.dataset.way = y1 < y0 - 1 ? "up" : y1 > y0 + 1 ? "down" : "same";
      path.toggleAttribute("data-on", ordinal === state.twin);
      paths.push(path);
    }
  state.lines.replaceChildren(...paths);
}

// The document lies over the columns on the side away from the one in hand.
function drawerAway(element) {
  const column = element.closest(".wb-col");
  if (!column) return;
  const { left, width } = column.getBoundingClientRect();
  column.closest(".wb-stage").dataset.drawer = left + width / 2 > innerWidth / 2 ? "left" : "right";
}

// ── sliders that act while they move ──────────────────────────────────────────────────────────────────────────────

const EVERY = 60; // milliseconds

export function tune(element, send) {
  let timer = 0, last = 0;
  element.addEventListener("input", (event) => {
    const slider = event.target instanceof Element ? event.target.closest("[data-tune]") : null;
    if (!slider) return;
    const shown = slider.closest(".wb-slide, .wb-alpha")?.querySelector("output");
    const whole = slider.step === "1";
    if (shown) shown.textContent = (slider.dataset.tune === "alpha" ? "text " : "") + Number(slider.value).toFixed(whole ? 0 : 2);
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = performance.now();
      send({ field: slider.dataset.tune, value: slider.value, column: slider.dataset.column || "" });
    }, Math.max(0, EVERY - (performance.now() - last)));
  });
  // A panel opens elsewhere: nothing here is drawn again that would close the menu.
  element.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-do=panel]")) return;
    event.target.closest("details.menu")?.removeAttribute("open");
    element.dispatchEvent(new CustomEvent("wb-open", { bubbles: true }));
  });
  // “edit…” in the list of pipelines opens the editor; the choice stays what it was.
  element.addEventListener("change", (event) => {
    if (!(event.target instanceof HTMLSelectElement) || event.target.value !== "edit") return;
    event.stopImmediatePropagation();
    const select = event.target;
    (select.querySelector("option[selected]") || select.options[0]).selected = true;
    element.querySelector(".wb-edit")?.setAttribute("open", "");
  }, true);
}
