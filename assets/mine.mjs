// The Mine page's charts: the margin line is dragged, or moved by arrow keys; Python counts and redraws.
// .mi-hists[data-kind][data-margin] holds .mi-hist[data-low][data-high][data-median] with .mi-line and .mi-cut;
// .mi-chart[data-last] of the sweep holds .mi-now. Where the line stands while Python has not answered yet is ours.

const PATIENCE = 3000; // ms after which a question without an answer no longer holds up the next

export function mount(element, { watch, slide }) {
  let held = null, sent = null, dragging = null, waiting = false, timer = 0;

  const box = () => element.querySelector(".mi-hists");
  const kind = () => box()?.dataset.kind || "relative";
  const numbers = (figure) => ["low", "high", "median"].map((name) => Number(figure.dataset[name]));
  const unit = (figure) => (kind() === "relative" ? Math.abs(numbers(figure)[2]) || 1 : 1);
  const told = (margin) => `${kind() === "relative" ? `${Number((100 * margin).toPrecision(4))} %` : Number(margin.toPrecision(6))} below the positive`;

  function place(margin) {
    for (const figure of element.querySelectorAll(".mi-hist")) {
      const line = figure.querySelector(".mi-line");
      if (!line) continue;
      const [low, high, median] = numbers(figure);
      const at = Math.min(100, Math.max(0, (100 * (median - margin * unit(figure) - low)) / (high - low)));
      line.style.setProperty("--at", `${at}%`);
      line.style.left = figure.querySelector(".mi-cut").style.left = `${at}%`;
      line.setAttribute("aria-valuenow", margin);
      line.setAttribute("aria-valuetext", told(margin));
      line.querySelector("span").textContent = told(margin);
      figure.toggleAttribute("data-set", true);
    }
    const now = element.querySelector(".mi-now"), last = Number(element.querySelector(".mi-chart")?.dataset.last);
    if (now && last) { now.hidden = false; now.style.left = `${100 * Math.min(1, margin / last)}%`; }
  }

  const round = (margin) => (kind() === "relative" ? Math.round(margin * 1000) / 1000 : Number(margin.toPrecision(3)));

  function move(margin) {
    held = Math.max(0, round(margin));
    place(held);
    ask();
  }

  // One question at a time: the answer to it asks for where the line is by then, so that the last place always counts.
  function ask() {
    if (waiting || held === null || held === sent) return;
    waiting = true;
    sent = held;
    slide({ value: String(held) });
    clearTimeout(timer);
    timer = setTimeout(answered, PATIENCE);
  }
  function answered() {
    waiting = false;
    clearTimeout(timer);
    settle();
    ask();
  }
  // Once the line rests and Python has drawn it, the line is Python's again.
  function settle() {
    if (!dragging && !waiting && held === sent) held = sent = null;
    if (held !== null) place(held);
  }

  function marginAt(figure, x) {
    const [low, high, median] = numbers(figure);
    const area = figure.querySelector(".mi-plot").getBoundingClientRect();
    const score = low + ((high - low) * (x - area.left)) / area.width;
    return (median - Math.max(low, Math.min(score, high))) / unit(figure);
  }

  element.addEventListener("pointerdown", (event) => {
    const line = event.target.closest(".mi-line");
    if (!line || event.button) return;
    event.preventDefault();
    line.focus({ preventScroll: true });
    line.setPointerCapture(event.pointerId);
    dragging = line.closest(".mi-hist");
  });
  element.addEventListener("pointermove", (event) => { if (dragging) move(marginAt(dragging, event.clientX)); });
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, () => { if (dragging) { dragging = null; settle(); } });
  }
  element.addEventListener("keydown", (event) => {
    const line = event.target.closest?.(".mi-line");
    const way = { ArrowLeft: 1, ArrowDown: 1, ArrowRight: -1, ArrowUp: -1 }[event.key];
    if (!line || !way || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const figure = line.closest(".mi-hist"), [low, high] = numbers(figure);
    const step = kind() === "relative" ? 0.01 : (high - low) / 100;
    const now = held ?? Number(box().dataset.margin || 0);
    move(now + way * step * (event.shiftKey ? 5 : 1));
  });

  // Another choice than the line's ends its hold: what Python says then counts.
  element.addEventListener("click", (event) => { if (event.target.closest("[data-do]")) held = sent = null; });
  watch("markup", answered);
  element.dataset.mounted = "1";
}

// The region of notes says which address the page has now. A moment later: a drag is many addresses.
export function remember(element, { watch }) {
  let timer = 0;
  const keep = () => {
    const address = element.querySelector("[data-address]")?.dataset.address;
    if (!address?.startsWith("/mine?")) return;
    const theme = new URLSearchParams(location.search).get("__theme");
    history.replaceState(history.state, "", address + (theme ? `&__theme=${encodeURIComponent(theme)}` : ""));
  };
  watch("markup", () => { clearTimeout(timer); timer = setTimeout(keep, 150); });
  keep();
}
