// Behaviour of the panels that explain a search: the token heat map, the clipped texts, and the picture of a query.
// The listeners sit on the document, so a panel works wherever Python draws it and after every redraw.

// ── token heat map (ui/components/explanation.py) ─────────────────────────────────────────────────────────────────
// .wb-heat[data-low][data-high] holds chips .wb-q[data-s] (hundredths of a similarity, one for each document token;
// the first chip, “all”, has none of its own: its values are the largest of the others) and tokens .wb-tok.

const heatOf = (target) => (target instanceof Element ? target.closest(".wb-heat") : null);
const chipOf = (target) => (target instanceof Element ? target.closest(".wb-heat .wb-q") : null);
const values = (chip) => chip.dataset.s.split(" ").map((text) => Number(text) / 100);

function shade(heat, chip) {
  if (heat.shown === chip) return;
  heat.shown = chip;
  const low = Number(heat.dataset.low), span = Number(heat.dataset.high) - low || 1;
  const numbers = values(chip);
  const name = chip.dataset.name || "";
  const best = Number(chip.dataset.best ?? -1);
  [...heat.querySelectorAll(".wb-tokens .wb-tok")].forEach((token, i) => {
    const share = Math.max(0, Math.min(1, (numbers[i] - low) / span));
    token.style.setProperty("--h", (share * share).toFixed(3));
    token.classList.toggle("wb-best", i === best);
    token.dataset.told ??= token.title;
    token.title = name ? `${numbers[i].toFixed(2)} with “${name}”` : token.dataset.told;
  });
  for (const each of heat.querySelectorAll(".wb-q")) each.classList.toggle("wb-on", each === chip);
  const line = heat.querySelector(".wb-said");
  if (line) line.textContent = chip.dataset.said || "";
}

const chosen = (heat) => heat.querySelector(".wb-q[aria-pressed=true]") || heat.querySelector(".wb-q");

function preview(event) {
  const heat = heatOf(event.target);
  if (!heat) return;
  const chip = chipOf(event.target);
  if (chip) return shade(heat, chip);
  // Over a token of the document: which token of the query it answers best.
  const token = event.target.closest(".wb-tok");
  const answered = token ? Number(token.dataset.b) : -1;
  heat.querySelectorAll(".wb-q[data-name]").forEach((each, i) => each.classList.toggle("wb-near", i === answered));
}

function leave(event) {
  const heat = heatOf(event.target);
  if (!heat || heat.contains(event.relatedTarget) && !chipOf(event.target)) return;
  if (!chipOf(event.relatedTarget)) shade(heat, chosen(heat));
  if (!heat.contains(event.relatedTarget))
    for (const each of heat.querySelectorAll(".wb-near")) each.classList.remove("wb-near");
}

function choose(event) {
  const chip = chipOf(event.target);
  if (!chip) return;
  const heat = heatOf(chip), all = heat.querySelector(".wb-q");
  const next = chip.getAttribute("aria-pressed") === "true" ? all : chip;
  for (const each of heat.querySelectorAll(".wb-q")) each.setAttribute("aria-pressed", String(each === next));
  shade(heat, next);
  const best = heat.querySelector(".wb-tokens .wb-best");
  const box = heat.querySelector(".wb-tokens");
  // Only the box scrolls, not the page.
  if (best && box) {
    const top = best.offsetTop; // the box is its positioned parent
    if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 20) box.scrollTop = top - box.clientHeight / 2;
  }
}

document.addEventListener("mouseover", preview);
document.addEventListener("focusin", preview);
document.addEventListener("mouseout", leave);
document.addEventListener("focusout", leave);
document.addEventListener("click", choose);

// ── long prompts and answers (ui/components/windows.py) ───────────────────────────────────────────────────────────

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-unclip]") : null;
  const box = button?.closest(".wb-clipped");
  if (!box) return;
  const open = box.toggleAttribute("data-open");
  button.textContent = open ? "show less" : button.dataset.unclip;
  button.setAttribute("aria-expanded", String(open));
});

// ── the picture of a query (ui/components/query_image.py) ─────────────────────────────────────────────────────────

const ICON =
  '<svg viewBox="0 0 24 24" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.7" aria-hidden="true">' +
  '<rect x="3" y="5" width="18" height="14" rx="2"/><circle cx="8.5" cy="10" r="1.6"/><path d="m4 18 5.5-5 3.5 3 3-2.5 4.5 4"/></svg>';
const LIMIT = 20 * 1024 * 1024;

export function mountQueryImage(element, { props, watch, attach }) {
  const box = element.querySelector(".wb-qimage");
  box.innerHTML =
    '<input type="file" accept="image/*" hidden>' +
    '<button type="button" class="wb-qadd" title="Search with a picture: choose one, drop it here, or paste it (Ctrl+V)" ' +
    `aria-label="Search with a picture">${ICON}</button>` +
    '<span class="wb-qshown" hidden><button type="button" class="wb-qswap" title="Choose another picture" aria-label="Choose another picture">' +
    '<img alt="Picture of the query"></button><button type="button" class="wb-qdrop" title="Take the picture away" ' +
    'aria-label="Take the picture away">×</button></span><div class="wb-qsay" role="alert" hidden></div>';
  const find = (selector) => box.querySelector(selector);
  const file = find("input"), shown = find(".wb-qshown"), line = find(".wb-qsay");

  const say = (text) => { line.textContent = text; line.hidden = !text; };
  const draw = () => {
    const has = Boolean(props.image);
    find(".wb-qadd").hidden = has;
    shown.hidden = !has;
    // An id of a stored picture, or an address of ours.
    const stored = `/media-query/${encodeURIComponent(props.project)}/${encodeURIComponent(props.image)}`;
    if (has) find("img").src = /^\/[^/]/.test(props.image) ? props.image : stored;
    box.toggleAttribute("data-known", Boolean(props.project));
  };
  const send = async (blob) => {
    say("");
    // Before the page has been filled the address knows the project already.
    const project = props.project || new URLSearchParams(location.search).get("project");
    if (!project) return say("There is no project yet: create one on the Home page.");
    if (blob.size > LIMIT) return say("The picture is larger than 20 MB. Save it smaller, and try again.");
    box.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`/query-image/${encodeURIComponent(project)}`, {
        method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" },
      });
      const told = await answer.json().catch(() => ({}));
      if (answer.ok) attach({ id: told.id });
      else say(`${told.message || `The picture was refused (${answer.status}).`} ${told.hint || ""}`);
    } catch {
      say("The app could not be reached: the picture was not sent.");
    } finally {
      box.removeAttribute("aria-busy");
    }
  };

  box.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return say("");
    if (button.classList.contains("wb-qdrop")) { say(""); attach({ id: "" }); } else file.click();
  });
  file.addEventListener("change", () => { if (file.files[0]) send(file.files[0]); file.value = ""; });
  for (const [type, act] of whole(box, send, say)) {
    const listen = (event) => (element.isConnected ? act(event) : document.removeEventListener(type, listen));
    document.addEventListener(type, listen);
  }
  watch(["image", "project"], draw);
  draw();
  element.dataset.ready = "1";
}

// Drops and pastes anywhere on the page.
function whole(box, send, say) {
  const bar = () => box.closest(".wb-querybar") || box;
  const light = (on) => bar().toggleAttribute("data-drop", on);
  const offers = (data) => [...(data?.types || [])].some((type) => type === "Files" || type === "text/uri-list");
  const other = (event) => event.target instanceof Element && event.target.closest("[data-testid=file-upload], input[type=file]");
  let timer = 0;
  return [
    ["dragover", (event) => {
      if (!offers(event.dataTransfer) || other(event)) return;
      event.preventDefault();
      light(true);
      clearTimeout(timer);
      timer = setTimeout(() => light(false), 200);
    }],
    ["drop", async (event) => {
      if (!offers(event.dataTransfer) || other(event)) return;
      event.preventDefault();
      light(false);
      const address = event.dataTransfer.getData("text/uri-list");
      const dropped = [...event.dataTransfer.files].find((each) => each.type.startsWith("image/")) || event.dataTransfer.files[0];
      const own = ownPicture(address);
      if (own) fetch(own).then((answer) => answer.blob()).then(send, () => say("The picture could not be read."));
      else if (dropped) send(dropped);
      else say("That is no picture file: save it first, then drop the file here.");
    }],
    ["paste", (event) => {
      const pasted = [...(event.clipboardData?.items || [])].find((each) => each.kind === "file" && each.type.startsWith("image/"));
      const picture = pasted?.getAsFile();
      if (!picture) return;
      event.preventDefault();
      send(picture);
    }],
  ];
}

// A picture of ours that was dragged from the results: the large form of it.
function ownPicture(address) {
  try {
    const found = new URL(address.split("\n")[0], location.href);
    return found.origin === location.origin && found.pathname.startsWith("/media/") ? `${found.pathname}?size=view` : "";
  } catch { return ""; }
}
