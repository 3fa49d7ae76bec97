// The buttons of a map and its keys. Every tool is a visible button that names its key.

const ICONS = {
  pan: "M8 1v14M1 8h14M8 1 6 3m2-2 2 2M8 15l-2-2m2 2 2-2M1 8l2-2M1 8l2 2m12-2-2-2m2 2-2 2",
  box: "M2.5 3.5h11v9h-11z",
  lasso: "M8 2.5c3.6 0 6 1.7 6 4s-2.6 4-6 4c-1.2 0-2.3-.2-3.3-.6C3 9.300 2 8 2 6.500c0-2.300 2.400-4 6-4zM4.700 9.900c-1.300.3-1.600 1.800-.5 2.200 1 .4.900 1.700-.5 2.400",
  in: "M8 3v10M3 8h10",
  out: "M3 8h10",
  reset: "M3 8a5 5 0 1 0 1.500-3.600L3 6m0-3.500V6h3.500",
  labels: "M2.500 4.500h11M2.500 8h7M2.500 11.500h9",
};
const TOOLS = [
  ["pan", "g", "Move the map; shift + drag draws a box, shift + ctrl + drag a lasso"],
  ["box", "b", "Select in a box; shift adds, alt removes"],
  ["lasso", "s", "Select with a lasso; shift adds, alt removes"],
  ["in", "+", "Closer"],
  ["out", "−", "Further away"],
  ["reset", "r", "The whole map"],
  ["labels", "l", "Names of clusters"],
];
const KEYS = { g: "pan", b: "box", s: "lasso", "+": "in", "=": "in", "-": "out", "−": "out", r: "reset", l: "labels" };
const ARROWS = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";

export function makeToolbar(host, act) {
  const bar = document.createElement("div");
  bar.className = "wb-map-tools";
  bar.setAttribute("role", "toolbar");
  bar.setAttribute("aria-label", "Tools of the map");
  for (const [name, key, what] of TOOLS) {
    const button = Object.assign(document.createElement("button"), { type: "button", title: `${what} (${key})` });
    button.dataset.tool = name;
    button.setAttribute("aria-label", `${what} (${key})`);
    button.setAttribute("aria-keyshortcuts", key === "−" ? "-" : key);
    button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
    bar.append(button);
  }
  bar.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-tool]");
    if (button) act(button.dataset.tool);
  });
  host.append(bar);
  return {
    show(mode, labels) {
      for (const button of bar.children) {
        const tool = button.dataset.tool, on = tool === "labels" ? labels : tool === mode;
        if (["pan", "box", "lasso", "labels"].includes(tool)) button.setAttribute("aria-pressed", String(on));
      }
    },
  };
}

// Keys: first for the map under the pointer or with the focus; else, when nothing on the page wanted the key, for the
// map that was used last. Never while a person types or a dialog is open.
let used = null;

export function listenToKeys(host, { act, move, outward, drawing }) {
  const here = () => host.matches(":hover, :focus-within");
  const use = () => { used = host; };
  const free = (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    const held = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented;
    return !held && !target.closest(TYPING) && !document.querySelector("dialog[open]") && host.isConnected && host.offsetWidth > 0;
  };
  const press = (event, near) => {
    const arrow = near && host.contains(event.target) && ARROWS[event.key];
    if (arrow) move(...arrow);
    else if (KEYS[event.key]) act(KEYS[event.key]);
    else if (event.key !== "Escape" || !outward(near)) return;
    event.preventDefault();
  };
  // Capture: before the lists of the page, which use some of the same letters.
  const first = (event) => { if (free(event) && here() && (event.key !== "Escape" || drawing())) press(event, true); };
  const last = (event) => { if (free(event) && (here() || used === host || !used?.isConnected)) press(event, false); };
  host.addEventListener("pointerdown", use, true);
  document.addEventListener("keydown", first, true);
  window.addEventListener("keydown", last);
  return () => {
    document.removeEventListener("keydown", first, true);
    window.removeEventListener("keydown", last);
    if (used === host) used = null;
  };
}
