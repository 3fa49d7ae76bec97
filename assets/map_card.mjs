// The small card beside the point under the pointer, and the ring around that point. Its words come by URL, as JSON
// {title, text, image, facts: [[name, value] …]}, and are put in as text, never as markup.

const KEPT = 200;

// `address`: a URL with {row} in it, or "".
export function makeCard(host) {
  const ring = host.appendChild(Object.assign(document.createElement("div"), { className: "wb-map-ring", hidden: true }));
  const card = host.appendChild(Object.assign(document.createElement("div"), { className: "wb-map-card", hidden: true }));
  card.setAttribute("role", "tooltip");
  const known = new Map();
  let address = "", row = -1, at = [0, 0], asked = null;

  const beside = () => {
    const { clientWidth: w, clientHeight: h } = host, [x, y] = at;
    const left = x + 16 + card.offsetWidth > w ? x - 16 - card.offsetWidth : x + 16;
    const top = Math.max(6, Math.min(h - card.offsetHeight - 6, y - 18));
    card.style.transform = `translate(${Math.round(Math.max(6, left))}px, ${Math.round(top)}px)`;
  };
  const fill = (...parts) => {
    card.replaceChildren(...parts.filter(Boolean));
    card.hidden = !card.childNodes.length || row < 0;
    if (!card.hidden) beside();
  };
  const ask = async (wanted) => {
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(address.replace("{row}", String(wanted)), { signal: asked.signal });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      known.set(wanted, await answer.json());
      if (known.size > KEPT) known.delete(known.keys().next().value);
      if (wanted === row) fill(...drawn(known.get(wanted)));
    } catch (error) {
      if (error.name !== "AbortError" && wanted === row) fill(line("wb-map-dim", `No preview: ${error.message}.`));
    }
  };
  return {
    source(template) { address = template || ""; known.clear(); },
    // The ring at once; `point` in pixels of the host.
    point(next, point, size) {
      ring.hidden = next < 0;
      if (next !== row) { card.hidden = true; asked?.abort(); }
      row = next;
      if (row < 0) return;
      at = point;
      const edge = Math.max(14, size + 8);
      ring.style.cssText += `;width:${edge}px;height:${edge}px;transform:translate(${point[0] - edge / 2}px,${point[1] - edge / 2}px)`;
      if (!card.hidden) beside();
    },
    // The words, when the pointer has come to rest.
    rest() {
      if (row < 0 || !address) return;
      if (known.has(row)) fill(...drawn(known.get(row)));
      else ask(row);
    },
    // Markup that Python drew and escaped, for the row it was drawn for.
    html(markup, wanted) {
      if (row < 0 || (wanted !== undefined && wanted !== row)) return;
      card.innerHTML = markup;
      fill(...card.childNodes);
    },
    hide() { row = -1; ring.hidden = card.hidden = true; asked?.abort(); },
    row: () => row,
  };
}

function line(name, text) {
  if (text === undefined || text === null || text === "") return null;
  return Object.assign(document.createElement("div"), { className: name, textContent: String(text), dir: "auto" });
}

function drawn({ title, text, image, facts = [] }) {
  const picture = image ? Object.assign(document.createElement("img"), { src: image, alt: "", decoding: "async" }) : null;
  picture?.addEventListener("error", () => picture.remove());
  const told = facts.map(([name, value]) => `${name} ${value}`).join(" · ");
  return [picture, line("wb-map-title", title), line("wb-map-text", text), line("wb-map-dim", told)];
}
