// A blind round: keys and buttons vote, the next pair is shown at once, and the vote is stored behind it.
// Python draws the pair to vote on and, hidden, those after it (ui/components/blind_board.py).

const KEYS = {
  a: "left", ArrowLeft: "left", b: "right", ArrowRight: "right", t: "tie", x: "bad", u: "undo", Backspace: "undo",
};
const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false]), [role=listbox], [role=combobox]";
const PATIENCE = 5000;   // ms

export function mount(element, { watch, act }) {
  const gone = new Set();    // voted on here: hidden, also where an answer that is older shows them again
  const waiting = new Map(); // votes on their way: what they are called → their number
  let asking = "";           // the undo or look on its way
  let later = false;         // an undo that waits until the votes before it are stored
  let sent = 0;

  const board = () => element.querySelector(".bl-board");
  const pairs = () => [...element.querySelectorAll(".bl-pair")];
  const now = () => pairs().find((pair) => !gone.has(pair.dataset.number));

  function paint() {
    const shown = now();
    for (const pair of pairs()) pair.toggleAttribute("data-now", pair === shown);
    const wait = element.querySelector(".bl-wait");
    const done = element.querySelector(".bl-done");
    if (wait) wait.hidden = Boolean(shown || done);
    if (!shown) return;
    shown.querySelector(".bl-saved").textContent = waiting.size || asking ? "saving…" : board().dataset.saved;
    shown.querySelector("[data-vote=undo]").disabled = undoing() || !(gone.size || board().dataset.voted);
    const name = shown.querySelector(".bl-annotator");
    if (document.activeElement !== name) name.value = window.wb.store.get("wb.annotator");
  }

  const undoing = () => later || asking.startsWith("undo");

  // New markup: it says which vote, undo or look it answers, and which votes are stored.
  function answered() {
    element.classList.remove("bl-busy");
    if (!board()) { gone.clear(); waiting.clear(); asking = ""; later = false; return; }
    const { answer, voted } = board().dataset;
    const stored = new Set(voted ? voted.split(",") : []);
    if (waiting.has(answer)) {
      // A vote that could not be stored is asked for again.
      if (!stored.has(waiting.get(answer))) gone.delete(waiting.get(answer));
      waiting.delete(answer);
    }
    // Of two answers that come at once the page sees only one; what is stored needs none of its own.
    for (const [vote, number] of waiting) if (stored.has(number)) waiting.delete(vote);
    if (answer && answer === asking) {
      asking = "";
      const pending = new Set(waiting.values());
      for (const number of [...gone]) if (!stored.has(number) && !pending.has(number)) gone.delete(number);
    }
    if (!waiting.size && !asking) {
      if (later) undo();
      // Answers may come in another order than the votes went out: what is drawn now is then too old.
      else if ([...gone].some((number) => !stored.has(number))) ask("look");
    }
    paint();
  }

  function ask(what) {
    asking = `${what}-${++sent}`;
    // The vote that was given last here: votes may have been stored in another order.
    act({ do: what, answer: asking, number: what === "undo" && gone.size ? [...gone].at(-1) : "" });
    setTimeout(missed, PATIENCE, asking);
  }

  // No answer was seen to a vote, an undo or a look: see what is stored.
  function missed(answer) {
    if (!waiting.delete(answer) && asking !== answer) return;
    if (asking === answer) asking = "";
    if (!asking && board()) ask("look");
    paint();
  }

  function undo() {
    later = Boolean(waiting.size || asking);
    if (!later) ask("undo");
    paint();
  }

  function vote(choice) {
    if (undoing()) return;
    if (choice === "undo") {
      if (gone.size || board()?.dataset.voted) undo();
      return;
    }
    const pair = now();
    if (!pair) return;
    const { number } = pair.dataset, answer = `vote-${++sent}`;
    gone.add(number);
    waiting.set(answer, number);
    setTimeout(missed, PATIENCE, answer);
    act({ do: "vote", number, choice, answer, annotator: window.wb.store.get("wb.annotator") || "me" });
    paint();
    const top = element.getBoundingClientRect().top;
    if (top < 0) scrollTo({ top: 0 });
  }

  function keydown(event) {
    if (!element.isConnected) return document.removeEventListener("keydown", keydown);
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || event.defaultPrevented) return;
    if (!board() || target.closest(TYPING) || document.querySelector("dialog[open], details.menu[open]")) return;
    const reveal = element.querySelector("[data-reveal]");
    if (event.key === "Enter" && reveal && !target.closest("a, button, summary")) {
      event.preventDefault();
      return reveal.click();
    }
    const choice = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!choice) return;
    event.preventDefault();
    vote(choice);
  }

  function mark(event) {
    const over = event.type === "mouseover" && event.target instanceof Element ? event.target.closest(".bl-row") : null;
    for (const row of element.querySelectorAll(".bl-row"))
      row.toggleAttribute("data-same", Boolean(over) && row.dataset.ordinal === over.dataset.ordinal);
  }

  document.addEventListener("keydown", keydown);
  element.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    const button = event.target.closest("[data-vote]");
    if (button && !button.disabled) { button.blur(); return vote(button.dataset.vote); }
    if (event.target.closest("[data-do=start]")) element.classList.add("bl-busy");
    const row = event.target.closest(".bl-row");
    if (row && !String(getSelection())) row.toggleAttribute("data-more");
  });
  element.addEventListener("change", (event) => {
    if (event.target.matches?.(".bl-annotator")) window.wb.store.set("wb.annotator", event.target.value.trim());
  });
  element.addEventListener("mouseover", mark);
  element.addEventListener("mouseleave", mark);
  element.addEventListener("error", (event) => event.target.classList?.add("wb-broken"), true);
  watch("markup", answered);
  paint();
  element.dataset.keys = "1";
}
