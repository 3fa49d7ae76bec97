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

// How many points there are to a unit of area where a typical point lies: Σ c² ÷ Σ c over the cells of a coarse grid.
export function density({ n, x, y }, box) {
  const side = 128, sample = Math.min(n, 100_000), cells = new Uint32Array(side * side);
  const across = (side - 1e-6) / (box.width || 1), up = (side - 1e-6) / (box.height || 1);
  for (let i = 0; i < sample; i++) cells[Math.floor((y[i] - box.bottom) * up) * side + Math.floor((x[i] - box.left) * across)]++;
  let squares = 0;
  for (const count of cells) squares += count * count;
  return sample ? (squares / sample) * (n / sample) * across * up : 1;
}

// Diameter (CSS pixels) and opacity of a point: small and faint where they crowd, so that a dense region lets 15 % of
// the ground through; large and nearly solid where they stand apart.
export function look(camera, crowd) {
  const apart = camera.scale / Math.sqrt(crowd); // pixels between neighbours
  const size = Math.max(1.5, Math.min(9, 1.9 * Math.sqrt(apart)));
  const layers = (size / apart) ** 2 * 0.8;
  return { size, alpha: Math.max(0.07, Math.min(0.86, 1 - 0.15 ** (1 / layers))) };
}
