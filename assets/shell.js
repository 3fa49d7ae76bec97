// Runs before the app: keeps project, corpus and theme, and patches the regions that Python draws (ui/components/live.py).
(() => {
  const store = {
    get: (name) => { try { return localStorage.getItem(name) || ''; } catch { return ''; } },
    set: (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window */ } },
  };

  // A page opened without a project takes the last one used, before the first event reads the address.
  const url = new URL(location.href);
  if (!url.searchParams.has('project') && store.get('wb.project')) {
    url.searchParams.set('project', store.get('wb.project'));
    const corpus = store.get('wb.corpus.' + store.get('wb.project'));
    if (corpus) url.searchParams.set('corpus', corpus);
    history.replaceState(history.state, '', url);
  }

  const remember = (project, corpus) => {
    const here = new URL(location.href);
    for (const [name, value] of [['project', project], ['corpus', corpus]]) {
      if (value) here.searchParams.set(name, value); else here.searchParams.delete(name);
    }
    if (here.href !== location.href) history.replaceState(history.state, '', here);
    store.set('wb.project', project);
    if (project) store.set('wb.corpus.' + project, corpus);
  };

  // Light or dark: the address, then the person's choice, then the system.
  const wanted = () => new URLSearchParams(location.search).get('__theme') || store.get('wb.theme');
  const paint = () => {
    const theme = wanted();
    if (theme === 'dark' || theme === 'light') document.body.classList.toggle('dark', theme === 'dark');
  };
  const flip = () => {
    const here = new URL(location.href);
    here.searchParams.delete('__theme');
    history.replaceState(history.state, '', here);
    store.set('wb.theme', document.body.classList.contains('dark') ? 'light' : 'dark');
    paint();
  };
  const keepTheme = () => {
    paint();
    // The app sets its own theme once while it starts: ours comes after.
    const watcher = new MutationObserver(() => {
      const theme = wanted();
      if (theme && document.body.classList.contains('dark') !== (theme === 'dark')) paint();
    });
    watcher.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  };
  if (document.body) keepTheme(); else document.addEventListener('DOMContentLoaded', keepTheme);

  const KEPT = new Set(['open', 'aria-busy']);   // what the person opened, and what was just clicked

  function patchElement(old, next) {
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
    }
    for (const { name, value } of [...next.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    patchChildren(old, next);
    if (old.nodeName === 'SELECT' && document.activeElement !== old) {
      const chosen = old.querySelector('option[selected]');
      if (chosen) old.value = chosen.value;
    }
  }

  function patchChildren(old, next) {
    const keyed = new Map();
    for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
    let cursor = old.firstChild;
    for (const want of [...next.childNodes]) {
      const key = want.nodeType === 1 ? want.dataset.key : undefined;
      let match = key ? keyed.get(key) : null;
      if (!key && cursor && cursor.nodeName === want.nodeName && !(cursor.dataset && cursor.dataset.key)) match = cursor;
      if (!match || match.nodeName !== want.nodeName) { old.insertBefore(want, cursor); continue; }
      if (match === cursor) cursor = cursor.nextSibling; else old.insertBefore(match, cursor);
      if (want.nodeType === 1) patchElement(match, want);
      else if (match.nodeValue !== want.nodeValue) match.nodeValue = want.nodeValue;
    }
    while (cursor) { const after = cursor.nextSibling; cursor.remove(); cursor = after; }
  }

  function patch(root, markup) {
    const box = document.createElement('template');
    box.innerHTML = markup || '';
    patchChildren(root, box.content);
  }

  function live(element, props, watch, act) {
    const root = () => element.querySelector('.live');
    let menu = null;   // the menu an action was chosen in: it closes when the answer is drawn
    const draw = () => {
      if (root()) patch(root(), props.markup);
      if (menu) { menu.removeAttribute('open'); menu = null; }
    };
    const gather = (source) => {
      const form = source.closest('[data-form]');
      const fields = {};
      if (form) for (const input of form.querySelectorAll('[name]')) {
        fields[input.name] = input.type === 'checkbox' ? String(input.checked) : input.value;
      }
      const { do: name, key, ...data } = source.dataset;
      return { ...data, fields };
    };
    element.addEventListener('click', (event) => {
      if (event.target.closest('.wb-flip')) { flip(); return; }
      // A link inside a row that can be clicked is a link.
      const source = event.target.closest('[data-do], a[href]');
      if (!source || !source.dataset.do || source.disabled || source.getAttribute('aria-disabled') === 'true') return;
      event.preventDefault();
      menu = source.closest('details.menu');
      source.setAttribute('aria-busy', 'true');
      setTimeout(() => source.removeAttribute('aria-busy'), 900);
      act({ do: source.dataset.do, ...gather(source) });
    });
    element.addEventListener('change', (event) => {
      const source = event.target.closest('[data-change]');
      if (source) act({ do: source.dataset.change, value: source.type === 'checkbox' ? String(source.checked) : source.value, ...gather(source) });
    });
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && event.target.matches('[data-form] input')) {
        const button = event.target.closest('[data-form]').querySelector('[data-default]');
        if (button) { event.preventDefault(); button.click(); }
      }
      if ((event.key === 'Enter' || event.key === ' ') && event.target.matches('[role=button][data-do]')) {
        event.preventDefault(); event.target.click();
      }
      if (event.key === 'Escape') event.target.closest('details[open]')?.removeAttribute('open');
    });
    watch('markup', draw);
    watch('go', () => { if (props.go && props.go.startsWith('/') && !props.go.startsWith('//')) location.assign(props.go); });
    draw();
    element.dataset.ready = '1';
  }

  // One menu open at a time; a click elsewhere closes it.
  document.addEventListener('click', (event) => {
    for (const menu of document.querySelectorAll('details.menu[open]')) if (!menu.contains(event.target)) menu.removeAttribute('open');
  });

  window.wb = { live, patch, remember, flip, store };
})();
