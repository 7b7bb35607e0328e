"use strict";
// Says that the study's page is open, so that others see who reads it, and gives its forms keys. Without it all works by
// the forms themselves. A key leads to its form and Enter sends it: in the viewer R resets the view, and whoever presses it
// when the focus is elsewhere must not take a study off the worklist.
(() => {
  const PERIOD = 40000; // well within the time after which nobody is taken to read any more
  const section = document.querySelector("[data-reading]");
  if (section === null) return;
  const to = section.dataset.reading;

  function say(what, values) {
    return fetch(to + what, { method: "POST", body: new URLSearchParams(values), keepalive: true }).catch(() => null);
  }

  // The page says at once, not with its next look, that its reader has the study.
  say("keep", { begin: "yes" }).then(() => document.dispatchEvent(new Event("look")));
  window.setInterval(() => { if (!document.hidden) say("keep", {}); }, PERIOD);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) say("keep", { begin: "yes" }); });
  let comes = false;  // a form of this page leads back to it: its reader keeps the study meanwhile
  document.addEventListener("submit", (event) => {
    comes = new URL(event.target.getAttribute("action") ?? "", window.location.href).pathname.startsWith(to);
  });
  window.addEventListener("pagehide", () => { if (!comes) say("close", {}); });
  window.addEventListener("pageshow", () => { comes = false; });

  function unfold(id) {
    const details = document.getElementById(id);
    if (details === null) return false;
    details.open = true;
    (details.querySelector("input:checked") ?? details.querySelector("input:not([type=hidden])")).focus();
    return true;
  }

  const lead = (id) => {
    const button = document.getElementById(id);
    button?.focus();
    return button !== null;
  };
  const keys = {
    a: () => unfold("reading-agree"),
    d: () => unfold("reading-disagree"),
    r: () => lead("reading-read"),
    u: () => lead("reading-undo"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (window.tibabuDisplay.read("keys", "on") !== "on") return;
    if (event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (Object.hasOwn(keys, event.key) && keys[event.key]()) event.preventDefault();
  });
})();
