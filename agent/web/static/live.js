"use strict";
// Keeps the page up to date without moving what the reader looks at, points at or has focused. The server renders; this
// only asks for the same page again and takes over what differs. Lists are matched row by row through data-key.
(() => {
  const PERIOD = 5000;     // between two looks at the server
  const PATIENCE = 10000;  // how long an answer may take
  const STALE = 20000;     // without an answer for so long, the page says that it is not live
  const RECENT = 1000;     // a pointer that moved this recently may be about to click
  const LONGEST_HOLD = 15000;

  const stale = document.getElementById("stale");
  let answered = Date.now();
  let asking = false;
  let heldSince = 0;
  let moved = 0;
  let pointed = null;

  const rows = () => [...document.querySelectorAll("[data-key]")];
  const keyed = (key) => rows().find((row) => row.dataset.key === key);
  const top = (row) => row.getBoundingClientRect().top;

  function busy() {
    const selection = document.getSelection();
    return Date.now() - moved < RECENT || (selection !== null && !selection.isCollapsed);
  }

  // The row that has to stay where it is: pointed at, else focused, else the first in view of a scrolled page.
  function anchor() {
    const focused = document.activeElement?.closest("[data-key]");
    const first = window.scrollY > 0 ? rows().find((row) => top(row) >= 0) : undefined;
    const row = (pointed?.isConnected ? pointed : null) ?? focused ?? first;
    return row ? { key: row.dataset.key, top: top(row) } : null;
  }

  function takeRows(list, fresh) {
    const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
    [...fresh.children].forEach((next, index) => {
      const old = known.get(next.dataset.key);
      known.delete(next.dataset.key);
      const same = old !== undefined && old.isEqualNode(next);
      const row = same ? old : document.adoptNode(next);
      if (old !== undefined && !same) old.replaceWith(row);
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    });
    known.forEach((row) => row.remove());
  }

  function take(next) {
    const focusedKey = document.activeElement?.closest("[data-key]")?.dataset.key;
    const kept = anchor();
    document.querySelectorAll("[data-live]").forEach((region) => {
      const fresh = next.getElementById(region.id);
      if (fresh === null || region.isEqualNode(fresh)) return;
      const list = region.querySelector("tbody:has(> [data-key])");
      const freshList = fresh.querySelector("tbody:has(> [data-key])");
      if (list && freshList && region.children.length === fresh.children.length) {
        takeRows(list, freshList);
        [...region.children].forEach((child, index) => {
          if (!child.contains(list) && !child.isEqualNode(fresh.children[index])) child.replaceWith(document.adoptNode(fresh.children[index].cloneNode(true)));
        });
      } else {
        region.replaceChildren(...document.adoptNode(fresh).childNodes);
      }
    });
    document.title = next.title;
    const row = kept && keyed(kept.key);
    if (row) window.scrollBy(0, top(row) - kept.top);
    if (focusedKey !== undefined && document.activeElement === document.body) {
      keyed(focusedKey)?.querySelector("a")?.focus({ preventScroll: true });
    }
  }

  function tell() {
    const silent = Date.now() - answered > STALE;
    const text = silent ? "Not live: the server does not answer" : "";
    if (stale.textContent !== text) stale.textContent = text;
    document.documentElement.classList.toggle("stale", silent);
  }

  function again(request) {
    asking = false;
    if (request.status === 200 && request.response !== null) {
      answered = Date.now();
      take(request.response);
    }
    tell();
  }

  // An XMLHttpRequest, because it parses a document without a Trusted Types policy; scripts in it do not run.
  function look() {
    if (document.hidden || asking) return;
    if (busy() && (heldSince === 0 || Date.now() - heldSince < LONGEST_HOLD)) {
      heldSince ||= Date.now();
      tell();
      return;
    }
    heldSince = 0;
    asking = true;
    const request = new XMLHttpRequest();
    request.open("GET", window.location.pathname + window.location.search);
    request.responseType = "document";
    request.timeout = PATIENCE;
    request.onloadend = () => again(request);
    request.send();
  }

  document.addEventListener("pointermove", (event) => {
    moved = Date.now();
    pointed = event.target instanceof Element ? event.target.closest("[data-key]") : null;
  }, { passive: true });
  document.addEventListener("pointerleave", () => { pointed = null; });
  document.addEventListener("visibilitychange", look);
  window.setInterval(look, PERIOD);

  // The table's own head stays below the page's, however many lines that one takes.
  const head = document.querySelector("header");
  const fit = () => document.documentElement.style.setProperty("--head", `${head.offsetHeight}px`);
  fit();
  new ResizeObserver(fit).observe(head);
})();
