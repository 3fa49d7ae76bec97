// Maps that show the same documents tell each other, by events on `window`, what is hovered, selected and looked at:
// “wb-map-hover” {row}, “wb-map-select” {rows, step} and “wb-map-look” {x, y, zoom}, each with {link, from}. `link` names the corpus
// version they share (its points travel in one order, so a row means the same document to all); "" listens to nobody.

const NAMES = { hover: "wb-map-hover", select: "wb-map-select", look: "wb-map-look" };

// `heard`: {hover, select, look}: what to do when another map of the same link tells something.
export function joinBus(heard) {
  const from = Symbol("map");
  let link = "";
  const listeners = Object.entries(NAMES).map(([kind, name]) => {
    const listen = ({ detail }) => { if (link && detail.link === link && detail.from !== from) heard[kind](detail); };
    window.addEventListener(name, listen);
    return () => window.removeEventListener(name, listen);
  });
  return {
    link(name) { link = name || ""; },
    tell(kind, detail) { if (link) window.dispatchEvent(new CustomEvent(NAMES[kind], { detail: { ...detail, link, from } })); },
    leave() { for (const stop of listeners) stop(); },
  };
}
