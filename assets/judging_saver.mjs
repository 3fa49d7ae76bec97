// The way of a verdict from a page of hits to the server: the outbox of the Label page. A query that was typed and is in
// no query set yet travels as its text; the server keeps it with its first verdict.

import { makeOutbox } from "./label_outbox.mjs";

const LABELS = "labels";

// `changed`: the state is another. `stored(result)`: a write of this page was stored, or refused (`ok` false).
export function makeSaver({ changed, stored }) {
  const now = { waiting: 0, failed: false, problem: "", saved: false, refused: "" };
  const box = makeOutbox({
    changed: (seen) => { Object.assign(now, seen); changed(); },
    told: (write, result, own) => {
      now.saved ||= result.ok;
      if (!result.ok && !write.step) now.refused = `${result.message} ${result.hint || ""}`.trim();
      if (own) stored(write, result);
    },
  });
  // A typed query goes by its corpus and text, so that what is on its way is found again after a reload.
  const named = ({ project, corpus, text, annotator, query_set, query_id }) => ({
    project, annotator, labels: LABELS,
    ...(query_id ? { set: query_set, query: query_id } : { set: corpus, query: text, corpus, text }),
  });
  return {
    send(owner, doc, verdict) {
      now.refused = "";
      box.push({ ...named(owner), doc, verdict });
    },
    step(owner, step) {
      now.refused = "";
      box.push({ ...named(owner), step });
    },
    waiting: () => box.waiting() > 0,
    // What is on its way counts as said.
    overlay(owner, said) {
      for (const each of [{ ...owner, query_id: "" }, owner]) {
        const { set, labels, annotator, query } = named(each);
        box.overlay({ set, labels, annotator }, query, said);
      }
      for (const [doc, verdict] of said) if (!verdict) said.delete(doc);
    },
    state() {
      if (now.refused) return { state: "failed", told: `Not saved: ${now.refused}` };
      if (now.failed) return { state: "failed", told: `${now.problem || "The app does not answer"}: ${now.waiting} unsaved, sent again soon` };
      if (now.waiting) return { state: "saving", told: "saving" };
      return now.saved ? { state: "saved", told: "saved" } : { state: "", told: "" };
    },
  };
}
