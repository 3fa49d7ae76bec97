// Escape on the Map page goes one step outward: an open menu first, before the panel and the selection hear of it.
function closeMenu(event) {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.removeAttribute("open");
  event.preventDefault();
  event.stopPropagation();
}
window.addEventListener("keydown", closeMenu, true);

// The legend of the Map page: a click shows or hides a class, a double click leaves it alone; painted at once, told to
// Python a moment later, so that quick clicks are one step.

const LATE = 260;

export function mountLegend(element, tell) {
  let before = "", later = 0;
  const buttons = () => [...element.querySelectorAll("[data-class]")];
  const hidden = () => buttons().filter((one) => one.getAttribute("aria-pressed") === "false").map((one) => one.dataset.class);
  const paint = (off) => {
    for (const one of buttons()) one.setAttribute("aria-pressed", String(!off.includes(one.dataset.class)));
    for (const host of document.querySelectorAll(".wb-map-host")) host.__view?.legend({ kind: "category", hidden: off.map(Number) });
    clearTimeout(later);
    later = setTimeout(() => tell({ do: "hide", hide: off.join("."), fields: {} }), LATE);
  };
  // The field of a cluster's name: it has the cursor when it appears, and Esc leaves it.
  let field = null;
  new MutationObserver(() => {
    const now = element.querySelector(".wb-rename input[name=name]");
    if (now && now !== field) { now.focus(); now.select(); }
    field = now;
  }).observe(element, { childList: true, subtree: true });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.closest?.(".wb-rename")) return;
    event.preventDefault();
    event.stopPropagation();
    element.querySelector("[data-do=keepname]")?.click();
  });
  element.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-class]") : null;
    if (!button) return;
    const own = button.dataset.class, off = hidden();
    if (event.detail > 1) {
      const others = buttons().map((one) => one.dataset.class).filter((each) => each !== own);
      return paint(before === others.join(".") ? [] : others);
    }
    before = off.join(".");
    paint(off.includes(own) ? off.filter((each) => each !== own) : [...off, own]);
  });
}
