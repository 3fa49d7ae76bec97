// What an annotator wrote and the server has not confirmed yet: sent in order, kept in localStorage until then, sent
// again after a lost connection. Each write has the page's id and a number, so that the server stores it once, whoever
// sends it: a page that was closed leaves its writes to the next one that is opened.

const PREFIX = "wb.label.unsent.";
const BATCH = 50;
const STALE = 5000;   // ms after which the writes of another page are taken over

export function makeOutbox({ told, changed }) {
  const client = [...crypto.getRandomValues(new Uint8Array(9))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  let number = 0, tries = 0, timer = 0, problem = "";
  const own = { client, writes: [], busy: false };
  const adopted = new Map();

  const read = (key) => { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } };
  function keep(box, at = Date.now()) {
    const key = PREFIX + box.client;
    try {
      if (box.writes.length) localStorage.setItem(key, JSON.stringify({ at, writes: box.writes }));
      else localStorage.removeItem(key);
    } catch { /* without storage the writes are kept for as long as the page is open */ }
  }
  const stored = () => {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)); } catch { return []; }
  };

  function state() {
    const waiting = own.writes.length + [...adopted.values()].reduce((sum, box) => sum + box.writes.length, 0);
    changed({ waiting, failed: tries > 0, problem });
  }

  function push(write) {
    own.writes.push({ ...write, number: ++number });
    keep(own);
    state();
    if (!tries) send(own);
  }

  // Writes go to the project they were made in, one request after the other.
  async function send(box) {
    if (box.busy || !box.writes.length) return;
    box.busy = true;
    const project = box.writes[0].project;
    const batch = [];
    for (const write of box.writes) { if (write.project !== project || batch.length === BATCH) break; batch.push(write); }
    try {
      const answer = await fetch(`/labelling/${encodeURIComponent(project)}/writes`, {
        method: "POST", headers: { "Content-Type": "application/octet-stream" }, keepalive: batch.length < 10,
        body: JSON.stringify({ client: box.client, writes: batch }),
      });
      if (!answer.ok) throw new Error(answer.status < 500 ? (await answer.json()).message || "refused" : "");
      const { results } = await answer.json();
      const last = results.at(-1).number;
      box.writes = box.writes.filter((write) => write.number > last);
      keep(box);
      tries = 0;
      problem = "";
      box.busy = false;
      results.forEach((result, i) => told(batch[i], result, box === own));
      if (!box.writes.length) adopted.delete(box.client);
      state();
      send(box);
    } catch (error) {
      box.busy = false;
      tries += 1;
      problem = error instanceof TypeError ? "" : error.message;
      if (box === own) keep(own);
      state();
      clearTimeout(timer);
      timer = setTimeout(retry, Math.min(15000, 500 * 2 ** Math.min(tries, 5)));
    }
  }

  function retry() {
    clearTimeout(timer);
    for (const box of [own, ...adopted.values()]) send(box);
  }

  function adopt() {
    for (const key of stored()) {
      const name = key.slice(PREFIX.length), found = read(key);
      if (name === client || adopted.has(name) || !found || Date.now() - found.at < STALE) continue;
      const box = { client: name, writes: found.writes || [], busy: false };
      adopted.set(name, box);
      send(box);
    }
    state();
  }

  // What is on its way counts as said, also after a reload: the last verdict of each document, in the order written.
  function overlay(by, query, said) {
    for (const key of stored()) for (const write of (read(key) || {}).writes || []) {
      const same = write.set === by.set && write.labels === by.labels && write.annotator === by.annotator;
      if (same && write.query === query && !write.step) said.set(write.doc, write.verdict);
    }
    return said;
  }

  addEventListener("online", retry);
  addEventListener("pagehide", () => keep(own, 0));   // the next page takes over at once
  const watching = setInterval(adopt, 5000);
  adopt();
  return { push, retry, overlay, waiting: () => own.writes.length, stop: () => clearInterval(watching) };
}
