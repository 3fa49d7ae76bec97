// What part of the map is on the screen: pixels are CSS pixels from the top left, y of the map points up.

const MOST = 2000, LEAST = 0.5;

export function makeCamera(box) {
  const camera = { x: 0, y: 0, scale: 1, home: 1, width: 1, height: 1 };
  const middle = [box.left + box.width / 2, box.bottom + box.height / 2];
  const fit = () => {
    const room = Math.min(48, 0.08 * Math.min(camera.width, camera.height));
    const [w, h] = [Math.max(1, camera.width - 2 * room), Math.max(1, camera.height - 2 * room)];
    camera.home = Math.min(w / (box.width || 0.2), h / (box.height || 0.2));
  };
  const limit = (zoom) => Math.max(LEAST, Math.min(MOST, zoom));

  return Object.assign(camera, {
    zoom: () => camera.scale / camera.home,
    moved: () => Math.abs(camera.zoom() - 1) > 1e-3 || Math.hypot(camera.x - middle[0], camera.y - middle[1]) > 1e-4,
    resize(width, height) {
      const zoom = camera.width > 1 ? camera.zoom() : 1;
      [camera.width, camera.height] = [Math.max(1, width), Math.max(1, height)];
      fit();
      camera.scale = camera.home * zoom;
    },
    reset() { [camera.x, camera.y, camera.scale] = [...middle, camera.home]; },
    look(x, y, zoom) { [camera.x, camera.y, camera.scale] = [x, y, camera.home * limit(zoom)]; },
    pan(dx, dy) {
      camera.x -= dx / camera.scale;
      camera.y += dy / camera.scale;
      camera.x = Math.max(box.left, Math.min(box.left + box.width, camera.x)); // never out of sight of the points
      camera.y = Math.max(box.bottom, Math.min(box.bottom + box.height, camera.y));
    },
    zoomAt(px, py, factor) {
      const [x, y] = camera.data(px, py);
      camera.scale = camera.home * limit(camera.zoom() * factor);
      const [nx, ny] = camera.data(px, py);
      camera.x += x - nx;
      camera.y += y - ny;
    },
    px: (x, y) => [camera.width / 2 + (x - camera.x) * camera.scale, camera.height / 2 - (y - camera.y) * camera.scale],
    data: (px, py) => [camera.x + (px - camera.width / 2) / camera.scale, camera.y - (py - camera.height / 2) / camera.scale],
    at: () => ({ x: camera.x, y: camera.y, zoom: camera.zoom() }),
  });
}

// How crowded the map is. `typical`: other points to a unit of area where a typical point lies; `level(row)`: 0 … 63, how
// crowded its own place is, 2^(12 level ÷ 63 − 8) times as much as there. From counts on a coarse grid, between whose
// cells is interpolated.
export const LEVELS = 63;
export function crowding({ n, x, y }, box) {
  const side = Math.max(8, Math.min(128, Math.round(Math.sqrt(n / 4))));
  const across = (side - 1e-4) / (box.width || 1), up = (side - 1e-4) / (box.height || 1);
  const cells = new Uint32Array((side + 2) ** 2), wide = side + 2; // an empty cell all around
  for (let i = 0; i < n; i++) cells[(1 + Math.floor((y[i] - box.bottom) * up)) * wide + 1 + Math.floor((x[i] - box.left) * across)]++;
  let others = 0;
  for (const count of cells) others += count * (count - 1);
  const usual = n ? Math.max(0.2, others / n) : 1;
  const level = (row) => {
    const c = (x[row] - box.left) * across + 0.5, l = (y[row] - box.bottom) * up + 0.5;
    const at = Math.floor(l) * wide + Math.floor(c), right = c % 1, above = l % 1;
    const low = cells[at] * (1 - right) + cells[at + 1] * right, high = cells[at + wide] * (1 - right) + cells[at + wide + 1] * right;
    const times = (low * (1 - above) + high * above) / usual;
    return Math.max(0, Math.min(LEVELS, Math.round(((Math.log2(times || 1e-9) + 8) * LEVELS) / 12)));
  };
  return { typical: usual * across * up, level };
}

// Diameter of a point (CSS pixels), and how many of them lie over each other where a typical point is.
export function look(camera, typical) {
  const apart = camera.scale / Math.sqrt(typical); // pixels between neighbours
  const size = Math.max(1.5, Math.min(9, 2.3 * Math.sqrt(apart)));
  return { size, layers: (size / apart) ** 2 * 0.8 };
}

// Opacity of a point: faint where they crowd, so that 15 % of the ground shows through; nearly solid where it is alone.
// The root keeps dense regions stronger than thin ones.
export const opacity = (layers, level) => Math.max(0.07, Math.min(0.88, 1 - 0.15 ** (1 / (layers * 2 ** ((12 * level) / LEVELS / 2 - 4)))));
