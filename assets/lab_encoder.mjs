// The thresholds of the encoder laboratory: a slider or a drag on the histogram moves the line and reads the figures of
// that threshold from its table; the address keeps where each stands (ui/components/lab_encoder_view.py).

const DIGITS = 3;

export function mount(element, { watch }) {
  const follow = () => {
    const told = element.querySelector("[data-address]");
    if (!told) return;
    const wanted = new URL(told.dataset.address, location.href);
    const theme = new URL(location.href).searchParams.get("__theme");
    if (theme) wanted.searchParams.set("__theme", theme);
    history.replaceState(history.state, "", wanted);
  };

  function moved(range) {
    const row = JSON.parse(range.dataset.table)[Number(range.value)];
    const hist = range.closest(".le-hist"), [score, precision, recall, f1, passed] = row;
    hist.querySelector(".le-line").style.left = `${(100 * Number(range.value)) / Number(range.max)}%`;
    const figures = [score, precision, recall, f1].map((each) => each.toFixed(DIGITS));
    figures.push(`${(100 * passed).toFixed(1)}%`);
    hist.querySelectorAll(".le-read b").forEach((each, n) => (each.textContent = figures[n]));
    range.setAttribute("aria-valuetext", figures[0]);
  }

  function kept(range) {
    const url = new URL(location.href);
    let at = {};
    try { at = JSON.parse(url.searchParams.get("at") || "{}"); } catch { at = {}; }
    at[range.dataset.encoder] = JSON.parse(range.dataset.table)[Number(range.value)][0];
    url.searchParams.set("at", JSON.stringify(at));
    history.replaceState(history.state, "", url);
  }

  function dragged(event) {
    const plot = event.target.closest?.(".le-plot"), range = plot?.parentElement.querySelector(".le-range");
    if (!range || !(event.buttons & 1)) return;
    const box = plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    range.value = String(Math.round(share * Number(range.max)));
    moved(range);
  }

  element.addEventListener("pointerdown", (event) => {
    const plot = event.target.closest(".le-plot");
    if (!plot) return;
    plot.setPointerCapture(event.pointerId);
    dragged(event);
  });
  element.addEventListener("pointermove", dragged);
  element.addEventListener("pointerup", (event) => {
    const range = event.target.closest?.(".le-plot")?.parentElement.querySelector(".le-range");
    if (range) kept(range);
  });
  element.addEventListener("input", (event) => event.target.matches(".le-range") && moved(event.target));
  element.addEventListener("change", (event) => event.target.matches(".le-range") && kept(event.target));
  watch("markup", follow);
  follow();
}
