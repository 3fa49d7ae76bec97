// Which points are drawn when: the first few (a fair sample, as the order is random) while things move, all of them in
// parts once they rest. How many “few” is follows from how long the device takes for them.

const FIRST = 150_000, FEWEST = 20_000;
const SLOW = 80, FAST = 40; // milliseconds a frame while moving

export function makeFrames(painter) {
  const n = painter.most;
  let few = Math.min(n, FIRST), parts = [], frame = null, since = 0, moving = false, waiting = false;

  // The device has finished what was sent: was it quick?
  const learn = () => {
    if (!since) return;
    const took = performance.now() - since;
    since = 0;
    if (took > SLOW) few = Math.min(n, Math.max(FEWEST, Math.round(few * Math.max(0.4, (SLOW / took) * 0.8))));
    else if (took < FAST && moving) few = Math.min(n, Math.round(few * 1.3));
  };
  const layers = () => (frame.split ? [0, 1] : [-1]);
  // Fewer points stand for all: each is painted more strongly, so that the map does not pale when it moves.
  const stronger = (count) => ({ ...frame, layers: (frame.layers * count) / n });

  return {
    few: () => few,
    learn,
    // Draws at once; whether the picture is complete with it.
    draw(given, inMotion) {
      [frame, moving, parts] = [given, inMotion, []];
      const count = Math.min(n, few);
      since = performance.now();
      painter.begin(count < n ? stronger(count) : frame, false);
      for (const layer of layers()) painter.part(0, count, layer);
      waiting = count < n;
      return !waiting;
    },
    // One part of the whole picture, after a draw that was not complete: "more", or "done" as it is shown.
    refine() {
      moving = false;
      if (waiting) {
        waiting = false;
        painter.begin(frame, true);
        const many = Math.max(100_000, 2 * few); // a part is drawn aside: nobody waits for one of them
        for (const layer of layers()) for (let first = 0; first < n; first += many) parts.push([first, Math.min(many, n - first), layer]);
      }
      const next = parts.shift();
      if (!next) return "done";
      painter.part(...next);
      if (parts.length) return "more";
      painter.show();
      return "done";
    },
    incomplete: () => waiting || parts.length > 0,
  };
}
