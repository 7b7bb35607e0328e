"use strict";
// Asks whether the session that this page was made for is still there. When it has ended, or is somebody else's by now, the
// page and all that it shows of patients is gone at once. Before it ends by itself its person is told, and can stay.
(() => {
  const PERIOD = 20000;  // well within what a session lasts
  const notice = document.getElementById("session");
  let left = Infinity;   // milliseconds that were left when the server said so last
  let signed = Date.now();
  let used = false;
  let asking = false;
  let again = false;

  function leave() {
    document.body.replaceChildren();
    window.location.replace(window.location.pathname);
  }

  function hear(said) {
    if (said.name !== notice.dataset.name) {
      leave();
      return;
    }
    left = said.left * 1000;
    signed = Date.now();
    const minutes = Math.max(1, Math.round(said.left / 60));
    const when = `You will be signed out in ${minutes} minute${minutes === 1 ? "" : "s"}`;
    notice.querySelector("span").textContent = said.can_stay ? `${when} unless you use this page.` : `${when}: the session ends.`;
    notice.querySelector("button").hidden = !said.can_stay;
    notice.hidden = !said.warn;
  }

  async function ask() {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    const stays = used;
    used = false;
    try {
      const answer = await fetch("/account/session", { method: stays ? "POST" : "GET", signal: AbortSignal.timeout(10000) });
      if (answer.status === 401) leave();
      else if (answer.ok) hear(await answer.json());
    } catch { // nobody answers: it has ended by its own time at the latest
      used ||= stays;
      if (used) signed = Date.now();
      if (Date.now() - signed > left) leave();
    } finally {
      asking = false;
    }
    if (again) {
      again = false;
      ask();
    }
  }

  for (const sign of ["pointerdown", "keydown", "wheel"]) {
    document.addEventListener(sign, (event) => { used ||= event.isTrusted; }, { passive: true, capture: true });
  }
  notice.querySelector("button").addEventListener("click", () => {
    used = true;
    ask();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) ask(); });
  window.setInterval(ask, PERIOD);
  ask();
})();
