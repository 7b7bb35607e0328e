"use strict";
// What is typed to search stays in this tab's history, so that Back brings the answers again, and in no address. Without it
// the form is sent as any other.
(() => {
  const form = document.getElementById("search");
  const typed = document.getElementById("typed");

  function show(text) {
    const request = new XMLHttpRequest();
    request.open("POST", "/search");
    request.responseType = "document";
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.onloadend = () => {
      const found = request.status === 200 ? request.response?.getElementById("found") : null;
      if (!found) {
        form.submit();
        return;
      }
      document.getElementById("found").replaceChildren(...document.adoptNode(found).childNodes);
    };
    request.send(new URLSearchParams({ typed: text }).toString());
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const state = { typed: typed.value };
    if (window.location.pathname === "/search") {
      window.history.replaceState(state, "");
      show(typed.value);
    } else {
      window.history.pushState(state, "", "/search");
      window.location.reload();
    }
  });
  const here = window.location.pathname;
  window.addEventListener("popstate", () => {
    if (window.location.pathname !== here) window.location.reload();  // a link within the page is none to another
  });
  if (window.location.pathname === "/search" && window.history.state?.typed && typed.value === "") {
    typed.value = window.history.state.typed;
    show(typed.value);
  }
})();
