// The dialogs of the Label page: keys, guidelines, a new query.

export function makeDialogs(board, { failed, guidelines, keep, make }) {
  const find = (selector) => board.querySelector(selector);
  const dialog = (name) => find(`[data-dialog=${name}]`);

  function open(name) {
    dialog(name).showModal();
    if (name === "guidelines") guidelines().then(show, failed);
    if (name === "new") find(".lb-newtext").focus();
  }

  // The markup was made of escaped text by Python (ui/components/markdown.py).
  function show({ text, markup }) {
    find(".lb-guide").innerHTML = markup || "<p>Nobody wrote any yet.</p>";
    find(".lb-guidetext").value = text;
    edit(false);
  }

  function edit(on) {
    find(".lb-guide").hidden = on;
    find(".lb-guidetext").hidden = !on;
    find("[data-guide=save]").hidden = !on;
    find("[data-guide=edit]").hidden = on;
    if (on) find(".lb-guidetext").focus();
  }

  // A click on one of their buttons, or beside the keys.
  function press(target) {
    const { open: name, guide } = target.dataset, text = find(".lb-newtext").value.trim();
    if (name) open(name);
    else if (guide === "edit") edit(true);
    else if (guide === "save") keep(find(".lb-guidetext").value).then(show, failed);
    else if ("close" in target.dataset) target.closest("dialog").close();
    else if ("make" in target.dataset && text) make(text).catch(failed);
    else if (target === dialog("help")) target.close();
  }

  return { open, press, close: (name) => dialog(name).close() };
}
