// What the page does beyond what it does without this: it is live, it filters as one types, it asks in place,
// and files can be dropped on it. Markup comes from the server alone, where every name in it was escaped.
"use strict";
(() => {
  const PATIENCE_MS = 5000;
  const PARTS = ["health", "trouble", "tiles", "traffic", "count", "rows", "pages", "lanes", "folders", "disks", "account"];
  const $ = (id) => document.getElementById(id);
  let events = null;

  // --- taking in what is new ---

  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
  const element = (html) => document.adoptNode(parsed(html).body.firstElementChild);

  // Change as little as can be: what has the focus keeps it, and what is read aloud is only what is new.
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE) {
      old.data = fresh.data;
      return;
    }
    const alike = old.nodeName === fresh.nodeName && old.childNodes.length === fresh.childNodes.length;
    if (!alike || old.nodeType !== Node.ELEMENT_NODE) {
      old.replaceWith(fresh);
      return;
    }
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const pairs = [...fresh.childNodes];
    [...old.childNodes].forEach((child, at) => morph(child, pairs[at]));
  }

  function take(news) {
    const fresh = new Map();
    for (const [id, html] of Object.entries(news.parts)) {
      const found = element(html);
      if ($(id)) morph($(id), found);
      else fresh.set(id, found);
    }
    const rows = $("rows");
    if (news.rows && rows) {
      const wanted = new Set(news.rows);
      for (const row of [...rows.children]) if (!wanted.has(row.id)) row.remove();
      news.rows.forEach((id, at) => {
        const row = $(id) || fresh.get(id);
        if (row && rows.children[at] !== row) rows.insertBefore(row, rows.children[at] || null);
      });
    }
    const health = $("health");
    if (health && health.dataset.title && rows) document.title = health.dataset.title;
  }

  // --- hearing of it ---

  function listen() {
    if (events) events.close();
    const address = document.body.dataset.live;
    if (!address) return;
    const mine = (events = new EventSource(address));
    mine.addEventListener("open", () => ($("offline").hidden = true));
    mine.addEventListener("parts", (event) => take(JSON.parse(event.data)));
    mine.addEventListener("stale", () => (going ? load(going, true) : load(location.href, false)));
    mine.addEventListener("error", () => {
      if (mine !== events) return;
      // A stream that has ended comes again by itself; one that was refused does not.
      if (mine.readyState === EventSource.CLOSED) {
        $("offline").hidden = false;
        setTimeout(() => mine === events && listen(), PATIENCE_MS);
      } else {
        setTimeout(() => {
          if (mine === events) $("offline").hidden = mine.readyState === EventSource.OPEN;
        }, PATIENCE_MS);
      }
    });
  }
  addEventListener("pagehide", () => events && events.close());
  addEventListener("pageshow", (event) => event.persisted && listen());

  // --- another view of the same page ---

  // The last to be asked for counts. What the old view hears meanwhile must not lead back to it: `going` is
  // where to.
  let loading = 0;
  let going = null;
  async function load(address, isNew) {
    const turn = ++loading;
    if (isNew) going = address;
    let answer;
    try {
      answer = await fetch(address);
    } catch {
      if (turn !== loading) return;
      $("offline").hidden = false;
      setTimeout(() => turn === loading && load(address, isNew), PATIENCE_MS);
      return;
    }
    const page = parsed(await answer.text());
    if (turn !== loading) return;
    going = null;
    if (!answer.ok || !page.querySelector("main") || answer.redirected) {
      location.assign(address);
      return;
    }
    if (document.querySelector(".life")) morph($("main"), document.adoptNode(page.getElementById("main")));
    else
      for (const id of PARTS) {
        const fresh = page.getElementById(id);
        if (fresh && $(id)) morph($(id), document.adoptNode(fresh));
      }
    if (isNew) history.replaceState(null, "", address);
    document.body.dataset.live = page.body.dataset.live || "";
    listen();
  }

  // --- looking for jobs ---

  const looking = $("looking");
  if (looking) {
    let soon = 0;
    const look = () => {
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(looking)) if (value) query.set(name, value);
      load(query.size ? `/?${query}` : "/", true);
    };
    looking.addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(look, 250);
    });
    looking.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(soon);
      look();
    });
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("a");
    if (!link) return;
    if (link.hasAttribute("data-load")) {
      event.preventDefault();
      const query = new URL(link.href).searchParams;
      if (looking) for (const name of ["state", "category", "text"]) looking.elements[name].value = query.get(name) || "";
      load(link.href, true);
    } else if (link.hasAttribute("data-ask")) {
      event.preventDefault();
      ask(link);
    } else if (link.hasAttribute("data-close") && link.closest("dialog")) {
      event.preventDefault();
      link.closest("dialog").close();
    }
  });

  // --- asking before something is done ---

  async function ask(link) {
    const address = new URL(link.href);
    address.searchParams.set("back", location.pathname + location.search);
    let form = null;
    try {
      const answer = await fetch(address);
      form = parsed(await answer.text()).getElementById("confirm");
    } catch {
      // It is asked on a page of its own then.
    }
    if (!form || typeof HTMLDialogElement === "undefined") {
      location.assign(link.href);
      return;
    }
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "asked");
    dialog.append(document.adoptNode(form));
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  // --- dropping files and links on the page ---

  const add = $("add");
  if (add) {
    const wanted = (event) => [...event.dataTransfer.types].some((type) => type === "Files" || type === "text/plain");
    document.addEventListener("dragover", (event) => {
      if (!wanted(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!wanted(event) || event.target.closest("input, textarea")) return;
      event.preventDefault();
      add.open = true;
      const text = event.dataTransfer.getData("text/plain");
      if (event.dataTransfer.files.length) $("files").files = event.dataTransfer.files;
      else if (text) $("links").value = [$("links").value.trim(), text].filter(Boolean).join("\n");
      add.querySelector("button").focus();
      add.scrollIntoView({ block: "nearest" });
    });
  }

  // What was just done is said once, not at every reload.
  const here = new URL(location.href);
  if (here.searchParams.has("said")) {
    here.searchParams.delete("said");
    history.replaceState(null, "", here);
  }
  listen();
})();
