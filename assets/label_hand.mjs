// The cards of the Label page: which is in hand, and what was said of each, painted at once.

export const SAY = {
  0: { relevance: 0 }, 1: { relevance: 1 }, 2: { relevance: 2 }, 3: { relevance: 3 },
  h: { relevance: 0, is_hard_negative: true }, r: { relevance: 1 },
  skip: { state: "skipped" }, unrateable: { state: "unrateable" }, later: { state: "later" },
};
const PLAIN = { relevance: null, is_hard_negative: false, state: "judged", note: "" };
const WORDS = { skipped: "skipped", unrateable: "unrateable", later: "put off" };

export const verdictOf = (say, note) => ({ ...PLAIN, ...SAY[say], note: note || "" });
export const same = (a, b) => (!a || !b ? !a === !b : Object.keys(PLAIN).every((name) => a[name] === b[name]));

// What a verdict is called on the buttons.
export function sayOf(verdict) {
  if (!verdict) return "";
  if (verdict.is_hard_negative) return "h";
  if (verdict.state !== "judged") return { skipped: "skip", unrateable: "unrateable", later: "later" }[verdict.state];
  return String(Math.max(0, Math.min(3, verdict.relevance)));
}

export function makeHand(element) {
  let at = 0;
  const cards = () => [...element.querySelectorAll(".lb-card")];
  const card = (doc) => cards().find((one) => one.dataset.doc === doc);

  function focus(to, scroll = true) {
    const all = cards();
    at = Math.max(0, Math.min(all.length - 1, to));
    all.forEach((one, i) => one.toggleAttribute("data-now", i === at));
    if (scroll && all[at]) show(all[at]);
    acts();
  }

  // Under the bar that stays on top, with the next card in sight.
  function show(one) {
    const top = element.querySelector(".lb-head").getBoundingClientRect().bottom, box = one.getBoundingClientRect();
    if (box.top < top + 6) scrollBy({ top: box.top - top - 6 });
    else if (box.bottom > innerHeight - 90) scrollBy({ top: box.bottom - innerHeight + 90 });
  }

  function acts() {
    const say = cards()[at]?.dataset.verdict || "";
    for (const button of element.querySelectorAll(".lb-act")) button.setAttribute("aria-pressed", String(say && button.dataset.say === say));
  }

  function paint(one, verdict) {
    const say = sayOf(verdict);
    one.dataset.verdict = say;
    const said = one.querySelector(".lb-said"), note = one.querySelector(".lb-note");
    said.replaceChildren();
    if (say) {
      const sign = document.createElement("span");
      if (verdict.state !== "judged") { sign.className = "lb-word"; sign.textContent = WORDS[verdict.state]; }
      else {
        sign.className = "wb-grade";
        if (verdict.is_hard_negative) sign.dataset.hard = ""; else sign.dataset.grade = say;
        sign.textContent = verdict.is_hard_negative ? "H" : verdict.relevance;
      }
      said.append(sign);
    }
    if (!note.querySelector("textarea")) note.textContent = verdict?.note || "";
    for (const button of one.querySelectorAll(".lb-keys button")) button.setAttribute("aria-pressed", String(say && button.dataset.say === say));
    if (one.hasAttribute("data-now")) acts();
  }

  return {
    cards, card, focus, paint,
    at: () => at,
    now: () => cards()[at],
    place: (doc) => cards().findIndex((one) => one.dataset.doc === doc),
  };
}

// A field in place of the note: Enter keeps it, Esc leaves it as it was (null).
export function editNote(box, text, done) {
  const field = document.createElement("textarea");
  let over = false;
  Object.assign(field, { value: text, rows: 2, maxLength: 2000, placeholder: "Enter keeps it, Shift+Enter makes a new line, Esc leaves it" });
  const end = (keep) => {
    if (over) return;
    over = true;
    const written = field.value.trim();
    field.remove();
    done(keep ? written : null);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey || event.isComposing)) return;
    event.preventDefault();
    event.stopPropagation();
    end(event.key === "Enter");
  });
  field.addEventListener("blur", () => end(true));
  box.replaceChildren(field);
  field.focus();
}
