// The Evaluate page: links and choices of its views change the address and are drawn in place; what the table stands for
// is then asked for in detail (ui/pages/evaluate.py). Without this file every link is a plain link.

const OWN = "/evaluate";

export function mount(element, { watch, act }) {
  const table = () => document.querySelector("#evaluate .ev");
  const details = () => document.querySelector("#evaluate-details .live");
  const isTable = Boolean(element.closest("#evaluate"));
  let asked = "", sent = false;   // the table that details were asked for; whether a form was sent

  function open(to, push = true) {
    const url = new URL(to, location.href);
    if (url.pathname !== OWN) return location.assign(url);
    sent = false;
    if (push) history.pushState(history.state, "", url);
    element.setAttribute("aria-busy", "true");
    act({ do: "show", to: url.pathname + url.search });
  }

  function drawn() {
    element.removeAttribute("aria-busy");
    const root = table();
    if (!isTable || !root) return;
    const here = new URL(location.href), wanted = new URL(root.dataset.address, location.href);
    const theme = here.searchParams.get("__theme");
    if (theme) wanted.searchParams.set("__theme", theme);
    // A form that was sent is a step to come back from; the rest only completes the address.
    if (here.href !== wanted.href) history[sent ? "pushState" : "replaceState"](history.state, "", wanted);
    sent = false;
    const { stamp } = root.dataset, below = details();
    if (below) below.hidden = !stamp;
    if (!stamp || stamp === asked) return;
    asked = stamp;
    below?.setAttribute("aria-busy", "true");
    act({ do: "details", to: root.dataset.address, stamp });
  }

  function answered() {
    element.removeAttribute("aria-busy");
    details()?.removeAttribute("aria-busy");
    const query = element.querySelector(".ev-query"), root = element.querySelector(".ev-more");
    const id = query?.querySelector("code")?.textContent || "";
    // A query that was opened by a click far above comes into sight.
    if (query && root && element.dataset.query !== id && element.dataset.query !== undefined)
      query.scrollIntoView({ block: "nearest", behavior: "instant" });
    element.dataset.query = id;
  }

  element.addEventListener("click", (event) => {
    if (event.target.closest("[data-do]")) sent = true;
    const link = event.target.closest("a.ev-go");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    open(link.getAttribute("href"));
  });
  element.addEventListener("change", (event) => {
    const source = event.target;
    if (source.matches("select.ev-to")) open(source.value);
    if (source.matches("input.ev-tick")) open(source.dataset.to);
  });
  if (isTable) {
    const back = () => {
      if (!element.isConnected) return window.removeEventListener("popstate", back);
      if (location.pathname === OWN) open(location.href, false);
    };
    window.addEventListener("popstate", back);
  }
  watch("markup", isTable ? drawn : answered);
  if (isTable) drawn();
}
