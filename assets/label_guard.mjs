// Doubts about negatives on the Label page: asked for after the cards are shown, and never in the way of judging.

const STRONG = 0.5;   // a document without a verdict is marked only where the doubt is strong

export function makeGuard(hand, { said, ask, on }) {
  let reasons = {}, timer = 0, asked = 0;

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
  }

  // Other cards: what is known and asked is of those before.
  function clear() {
    reasons = {};
    asked += 1;
    later(400);
  }

  async function look() {
    const docs = hand.cards().map((card) => card.dataset.doc).filter((doc) => !(said(doc)?.relevance > 0));
    if (!on() || !docs.length) { reasons = {}; return hand.cards().forEach(paint); }
    const number = ++asked;
    let found;
    try { found = await ask(docs); } catch { return; }   // a warning that cannot be had is no reason to stop
    if (number !== asked) return;
    reasons = found.reasons;
    hand.cards().forEach(paint);
  }

  function paint(card) {
    const box = card.querySelector(".lb-reasons"), verdict = said(card.dataset.doc);
    const negative = verdict?.relevance === 0, open = !verdict || verdict.state !== "judged";
    const given = (reasons[card.dataset.doc] || []).filter((one) => negative || (open && one.severity >= STRONG));
    card.toggleAttribute("data-warned", given.length > 0);
    box.replaceChildren();
    if (!given.length) return;
    const word = document.createElement("b"), text = document.createElement("span"), button = document.createElement("button");
    word.textContent = negative ? "Really a negative?" : "May be relevant:";
    text.textContent = text.title = given.map((one) => one.told).join("; ");
    button.className = "btn small";
    button.dataset.say = "r";
    button.append("make it a positive ", Object.assign(document.createElement("kbd"), { textContent: "p" }));
    box.append(word, text, button);
  }

  return { clear, later, paint, stop: () => clearTimeout(timer) };
}
