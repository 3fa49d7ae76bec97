// A map inside a Gradio HTML component (ui/components/point_map.py): its props become calls of the view, what the hand
// does becomes events. Big things come by URL and are fetched here.

import { fetchBytes, fetchPoints, mount } from "./map.mjs";

export function attach(element, { props, watch, events }) {
  const host = element.querySelector(".wb-map-host");
  const box = { view: null, host, props, events, round: 0 };
  const report = (error) => {
    host.dataset.error = error.message;
    if (box.view) return box.view.say(`The map could not be changed: ${error.message}.`);
    sentence(host, `The map could not be drawn: ${error.message}.`);
  };
  const safely = (work) => () => Promise.resolve().then(work).catch(report);
  const on = (names, work) => watch(names, safely(() => box.view && work(box.view)));
  watch("src", safely(() => load(box)));
  for (const [names, work] of Object.entries(CHANGES)) on(names.split(" "), (view) => work(view, props, box));
  on("view", (view) => props.view && view.view(...props.view));
  on("cleared", (view) => view.clear());
  safely(() => load(box))();
}

// What follows a change of props, by their names. `seq` makes the small ones apply once more though they are equal.
const CHANGES = {
  "color legend": (view, props, box) => recolor(view, props, box),
  "mask": (view, props, box) => bytes(box, "mask", (given) => view.filter(given)),
  "selection": (view, props, box) => bytes(box, "selection", (given) => view.select(given)),
  "highlight seq": (view, props) => view.highlight(props.highlight),
  "marks seq": (view, props) => view.marks(props.marks),
  "path seq": (view, props) => view.path(props.path),
  "query seq": (view, props) => view.query(props.query),
  "labels": (view, props) => view.labels(props.labels),
  "mode": (view, props) => view.mode(props.mode || "pan"),
  "card": (view, props) => view.card(props.card),
  "preview": (view, props) => props.preview && view.preview(props.preview.html, props.preview.row),
  "link": (view, props) => view.link(props.link),
  "follow": (view, props) => view.follow(props.follow),
};

async function load(box) {
  const { host, props, events } = box, round = ++box.round;
  delete host.dataset.ready;
  delete host.dataset.error;
  if (props.src) box.view ? box.view.say("Loading the points …") : sentence(host, "Loading the points …");
  let points = null, fault = null;
  try {
    points = props.src ? await fetchPoints(props.src) : null;
  } catch (error) {
    fault = error;
  }
  if (round !== box.round) return; // another map was asked for in the meantime
  box.view?.destroy(); // also after a fault: an old map must not pass for the one that was asked for
  box.view = host.__view = null;
  host.replaceChildren();
  if (fault) throw fault;
  if (!points) return;
  box.view = host.__view = mount(host, points, events, { alt: props.alt, follow: props.follow });
  if (props.view) box.view.view(...props.view);
  await Promise.all(Object.values(CHANGES).map((change) => change(box.view, props, box)));
  host.dataset.ready = "1";
}

function sentence(host, text) {
  host.replaceChildren(Object.assign(document.createElement("div"), { className: "wb-map-error", textContent: text }));
}

async function recolor(view, props, box) {
  const url = props.color;
  if (!url) return view.recolor(null, props.legend);
  const given = box.colored === url && box.colors ? box.colors : new Uint8Array(await fetchBytes(url));
  if (url !== props.color || view !== box.view) return;
  [box.colored, box.colors] = [url, given];
  view.recolor(given, props.legend);
}

// A mask by URL, u8[n]; "" is none. An answer that comes after a later wish is dropped.
async function bytes(box, name, use) {
  const url = box.props[name], view = box.view;
  const given = url ? new Uint8Array(await fetchBytes(url)) : null;
  if (box.props[name] === url && box.view === view) use(given);
}
