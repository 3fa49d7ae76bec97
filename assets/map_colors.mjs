// Colours of the map: tokens of assets/map.css read from the page, and the 256 × 1 table that byte → colour goes through.
//
// A colouring is one byte a point. “category”: 0 … 99 is a class, and its colour is the token --wb-c0 … --wb-c99;
// “ramp”: 0 … `top` run along --wb-ramp. In both the bytes `other` (many small classes) and `missing` are grey.

const CLASSES = 100;
export const LEGEND = { kind: "category", top: 253, other: 254, missing: 255, hidden: [] };
const NAMES = { other: "--wb-map-other", missing: "--wb-map-missing", surface: "--wb-map-surface", text: "--wb-map-text",
  line: "--wb-map-line", accent: "--wb-map-accent", positive: "--wb-map-positive", negative: "--wb-map-negative", irrelevant: "--wb-map-irrelevant" };

// {classes, ramp: [[r, g, b] …], css: {name: text}, other, missing, …: [r, g, b]} as `element` sees them now.
export function readTokens(element) {
  const style = getComputedStyle(element);
  const text = (name) => style.getPropertyValue(name).trim();
  const classes = Array.from({ length: CLASSES }, (_, i) => text(`--wb-c${i}`));
  const ramp = text("--wb-ramp").split(",").map((each) => each.trim());
  const named = Object.fromEntries(Object.entries(NAMES).map(([key, name]) => [key, text(name)]));
  const numbers = parse([...classes, ...ramp, ...Object.values(named)]);
  const colours = { classes: numbers.slice(0, CLASSES), ramp: numbers.slice(CLASSES, CLASSES + ramp.length), css: named };
  Object.keys(named).forEach((key, i) => { colours[key] = numbers[CLASSES + ramp.length + i]; });
  return { ...colours, font: style.fontFamily, dark: luma(colours.surface) < 110 };
}

export const luma = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

// Any CSS colour → [r, g, b], by letting the browser paint it.
function parse(texts) {
  const canvas = document.createElement("canvas");
  canvas.width = texts.length;
  canvas.height = 1;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  texts.forEach((text, i) => {
    brush.fillStyle = "#808080"; // what stays where a token is missing
    brush.fillStyle = text;
    brush.fillRect(i, 0, 1, 1);
  });
  const { data } = brush.getImageData(0, 0, texts.length, 1);
  return texts.map((_, i) => [data[4 * i], data[4 * i + 1], data[4 * i + 2]]);
}

// RGBA for each byte; alpha 0 marks a class that the legend has switched off.
export function colourTable(tokens, legend) {
  const table = new Uint8Array(256 * 4);
  for (let byte = 0; byte < 256; byte++) {
    table.set(colourOf(tokens, legend, byte), 4 * byte);
    table[4 * byte + 3] = 255;
  }
  for (const byte of legend.hidden) table[4 * byte + 3] = 0;
  return table;
}

function colourOf(tokens, { kind, top, other, missing }, byte) {
  if (byte === missing) return tokens.missing;
  if (kind === "ramp") return along(tokens.ramp, byte / top);
  return byte === other ? tokens.other : tokens.classes[byte] || tokens.other;
}

function along(stops, share) {
  const place = Math.min(1, share) * (stops.length - 1), from = Math.min(Math.floor(place), stops.length - 2);
  return stops[from].map((value, i) => Math.round(value + (place - from) * (stops[from + 1][i] - value)));
}
