"use strict";
// Keeps the page up to date without moving what the reader looks at, points at or has focused. The server renders; this
// only asks for the same page, or for its shared part, and takes over what differs, row by row through data-key. When to
// ask is told by server-sent events (data-live-from); where these do not come, it asks every few seconds.
(() => {
  const PERIOD = 5000;     // between two looks at the server that tells nothing
  const PATIENCE = 10000;  // how long an answer may take
  const STALE = 20000;     // without a word for so long, the page says that it is not live
  const POINTING = 8000;   // a pointer that has rested for so long points at nothing
  const LONGEST_HOLD = 15000;
  const GUARD = 400;       // a click so soon after rows moved under the pointer was meant for another one

  const shared = document.querySelector("[data-live-from]");
  const stale = document.getElementById("stale");
  const news = document.getElementById("news");
  let shown = shared?.dataset.version ?? "";
  let told = shown;
  let answered = Date.now();
  let refused = 0;
  let asking = false;
  let missed = false;      // something was told while an answer was waited for
  let heldSince = 0;
  let moved = 0;
  let shifted = 0;
  let pointed = null;
  let source = null;

  const rows = () => [...document.querySelectorAll("[data-key]")];
  const keyed = (key) => rows().find((row) => row.dataset.key === key);
  const top = (row) => row.getBoundingClientRect().top;
  const inUse = () => {
    const pointing = pointed?.isConnected && Date.now() - moved < POINTING ? pointed : null;
    return [pointing, document.activeElement?.closest("[data-key]")].filter((row) => row);
  };

  // The row that has to stay where it is: pointed at, else focused, else the first in view of a scrolled page.
  function anchor() {
    const row = inUse()[0] ?? (window.scrollY > 0 ? rows().find((one) => top(one) >= 0) : undefined);
    return row ? { key: row.dataset.key, top: top(row) } : null;
  }

  // A picture that is here already is not asked for again.
  function keepPicture(old, row) {
    const [had, has] = [old.querySelector("img"), row.querySelector("img")];
    if (had && has && had.getAttribute("src") === has.getAttribute("src")) has.replaceWith(had);
  }

  // A row that has left the list while it is pointed at or focused stays, crossed out, until it no longer is.
  function takeRows(list, fresh) {
    const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
    const before = new Set(known.keys());
    const kept = new Set(inUse().map((row) => row.dataset.key));
    const arrived = [];
    [...fresh.children].forEach((next, index) => {
      const old = known.get(next.dataset.key);
      known.delete(next.dataset.key);
      const same = old !== undefined && old.isEqualNode(next);
      const row = same ? old : document.adoptNode(next);
      if (old !== undefined && !same) {
        keepPicture(old, row);
        old.replaceWith(row);
      }
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
      if (!before.has(row.dataset.key)) arrived.push(row);
    });
    known.forEach((row, key) => {
      if (kept.has(key)) row.classList.add("left");
      else row.remove();
    });
    return arrived;
  }

  function takeRegion(region, fresh) {
    const list = region.querySelector("tbody:has(> [data-key])");
    const freshList = fresh.querySelector("tbody:has(> [data-key])");
    if (!list || !freshList || region.children.length !== fresh.children.length) {
      region.replaceChildren(...document.adoptNode(fresh).childNodes);
      return [];
    }
    const arrived = takeRows(list, freshList);
    [...region.children].forEach((child, index) => {
      const other = fresh.children[index];
      if (!child.contains(list) && !child.isEqualNode(other)) child.replaceWith(document.adoptNode(other.cloneNode(true)));
    });
    return arrived;
  }

  // Scroll so that the row stays; where there is nothing to scroll, make room for it.
  function hold(kept) {
    const main = document.getElementById("main");
    main.style.removeProperty("padding-block");
    const row = kept && keyed(kept.key);
    if (!row) return;
    const off = () => Math.round(top(row) - kept.top);
    window.scrollBy(0, off());
    if (off() > 0) {
      main.style.paddingBottom = `${window.scrollY + off() + window.innerHeight - document.body.offsetHeight}px`;
      window.scrollBy(0, off());
    } else if (off() < 0) main.style.paddingTop = `${-off()}px`;
  }

  const above = (key) => {
    const keys = rows().map((row) => row.dataset.key);
    return new Set(keys.slice(0, Math.max(keys.indexOf(key), 0)));
  };

  // Say what has come to stand above what is looked at, and out of sight.
  function announce(kept, before) {
    if (!news || !kept || window.scrollY === 0) return;
    const come = [...above(kept.key)].filter((key) => !before.has(key)).map(keyed);
    if (come.length === 0) return;
    const flagged = come.filter((row) => row.classList.contains("flagged")).length;
    news.querySelector("span").textContent = `${come.length} new above${flagged ? `, ${flagged} flagged` : ""}`;
    news.hidden = false;
  }

  function take(next) {
    const focusedKey = document.activeElement?.closest("[data-key]")?.dataset.key;
    const kept = anchor();
    const before = kept ? above(kept.key) : new Set();
    const under = pointed?.isConnected ? top(pointed) : null;
    const arrived = [];
    document.querySelectorAll("[data-live]").forEach((region) => {
      const fresh = next.getElementById(region.id);
      if (fresh !== null && !region.isEqualNode(fresh)) arrived.push(...takeRegion(region, fresh));
    });
    if (next.title) document.title = next.title;
    hold(kept);
    if (focusedKey !== undefined && document.activeElement === document.body) {
      keyed(focusedKey)?.querySelector("a")?.focus({ preventScroll: true });
    }
    if (under !== null && (!pointed.isConnected || Math.abs(top(pointed) - under) > 1)) shifted = Date.now();
    arrived.forEach((row) => row.classList.add("arrived"));
    announce(kept, before);
  }

  function tell() {
    const silent = Date.now() - answered > STALE;
    const why = refused === 401 || refused === 403 ? "sign in again" : "the server does not answer";
    const text = silent ? `Not live: ${why}` : "";
    if (stale.textContent !== text) stale.textContent = text;
    document.documentElement.classList.toggle("stale", silent);
  }

  function asOf(said) {
    const place = document.querySelector("#as-of time");
    if (!place) return;
    place.dateTime = said.at;
    place.textContent = said.as_of.slice(11);
  }

  function again(request) {
    asking = false;
    refused = request.status;
    if (request.status === 200 && request.response !== null) {
      answered = Date.now();
      shown = request.getResponseHeader("X-Version") ?? shown;
      take(request.response);
    }
    tell();
    if (missed) {
      missed = false;
      if (told !== shown) look();
    }
  }

  // A text that is being marked must not be taken away: to copy a number, say.
  function held() {
    const selection = document.getSelection();
    const marking = selection !== null && !selection.isCollapsed;
    heldSince = marking ? heldSince || Date.now() : 0;
    return marking && Date.now() - heldSince < LONGEST_HOLD;
  }

  // An XMLHttpRequest, because it parses a document without a Trusted Types policy; scripts in it do not run.
  function look() {
    if (document.hidden || asking) return;
    if (held()) {
      tell();
      return;
    }
    asking = true;
    const request = new XMLHttpRequest();
    const part = shared && `${shared.dataset.livePart}&wanted=${encodeURIComponent(told)}`;
    request.open("GET", part ?? window.location.pathname + window.location.search);
    request.responseType = "document";
    request.timeout = PATIENCE;
    request.onloadend = () => again(request);
    request.send();
  }

  function hear(event) {
    const said = JSON.parse(event.data);
    told = said.version;
    if (told !== shown) {
      missed = asking;
      look();
      return;
    }
    answered = Date.now();
    asOf(said);
    tell();
  }

  function listen() {
    if (!shared || document.hidden || (source && source.readyState !== EventSource.CLOSED)) return;
    source = new EventSource(shared.dataset.liveFrom);
    source.onmessage = hear;
  }

  document.addEventListener("pointermove", (event) => {
    moved = Date.now();
    const row = event.target instanceof Element ? event.target.closest("[data-key]") : null;
    if (pointed !== row) document.querySelectorAll(".left").forEach((one) => { if (one !== row) one.remove(); });
    pointed = row;
  }, { passive: true });
  document.addEventListener("pointerleave", () => { pointed = null; });
  document.addEventListener("click", (event) => {
    const late = event.detail > 0 && Date.now() - shifted < GUARD;
    if (late && event.target instanceof Element && event.target.closest("[data-key]")) event.preventDefault();
  }, true);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();  // a browser has few connections to one server, and many pages of it
      return;
    }
    listen();
    look();
  });
  document.addEventListener("look", look);
  window.addEventListener("scroll", () => { if (news && window.scrollY === 0) news.hidden = true; }, { passive: true });
  news?.addEventListener("click", () => window.scrollTo({ top: 0 }));
  window.setInterval(() => {
    listen();
    if (Date.now() - answered > 2 * PERIOD || !shared) look();
    tell();
  }, PERIOD);
  listen();

  // The table's own head stays below the page's, however many lines that one takes.
  const heights = { "--head": document.querySelector("header"), "--state": document.getElementById("counts") };
  const fit = () => Object.entries(heights).forEach(([name, one]) => {
    if (one) document.documentElement.style.setProperty(name, `${one.offsetHeight}px`);
  });
  fit();
  const seen = new ResizeObserver(fit);
  Object.values(heights).forEach((one) => { if (one) seen.observe(one); });
})();
