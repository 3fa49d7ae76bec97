// Points on the screen without WebGL2: the same painter on a 2-D canvas, for the first 20,000 points.

import { opacity } from "./map_camera.mjs";
import { luma } from "./map_colors.mjs";

export const FLAT_POINTS = 20_000;

export function makePainter(canvas, { n, x, y }) {
  const brush = canvas.getContext("2d"), most = Math.min(n, FLAT_POINTS);
  let table = new Uint8Array(1024), kinds = new Uint8Array(n), flags = new Uint8Array(n), frame = null;

  const paint = (row, below) => {
    const kind = kinds[row], dim = flags[row] & 1 || !table[4 * kind + 3], apart = frame.chosen && !(flags[row] & 2);
    if (Boolean(dim || apart) !== below) return;
    const own = [table[4 * kind], table[4 * kind + 1], table[4 * kind + 2]], grey = luma(own), mix = dim ? 0.8 : apart ? 0.55 : 0;
    const { camera, size, dpr } = frame, [px, py] = camera.px(x[row], y[row]);
    if (px < -size || py < -size || px > camera.width + size || py > camera.height + size) return;
    brush.globalAlpha = opacity(frame.layers, flags[row] >> 2) * (dim ? 0.13 : apart ? 0.3 : 1);
    brush.fillStyle = `rgb(${own.map((value) => Math.round(value + mix * (grey - value)))})`;
    if (size < 3) return brush.fillRect((px - size / 2) * dpr, (py - size / 2) * dpr, size * dpr, size * dpr);
    brush.beginPath();
    brush.arc(px * dpr, py * dpr, (size / 2) * dpr, 0, 2 * Math.PI);
    brush.fill();
  };
  return {
    most,
    table: (bytes) => { table = bytes; },
    kinds: (bytes) => { kinds = bytes; },
    flags: (bytes) => { flags = bytes; },
    resize: (width, height) => { [canvas.width, canvas.height] = [width, height]; },
    idle: () => true,
    begin(given) {
      frame = given;
      brush.clearRect(0, 0, canvas.width, canvas.height);
    },
    part(first, count, layer) {
      for (const below of layer < 0 ? [true, false] : [layer === 0])
        for (let row = first; row < Math.min(most, first + count); row++) paint(row, below);
    },
    show() {},
    destroy() {},
  };
}
