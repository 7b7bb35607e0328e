"use strict";
// Keys, filters and the dialogs of lists of studies. Without it everything is there but the keys and the choice of columns.
(() => {
  const { read, write } = window.tibabuDisplay;
  const typed = document.getElementById("typed");
  const links = () => [...document.querySelectorAll("[data-key]:not(.left) a")].filter((link) => link.closest("th.patient"));

  function go(step) {
    const all = links();
    if (all.length === 0) return;
    const at = all.indexOf(document.activeElement?.closest("[data-key]")?.querySelector("th.patient a"));
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
    next.focus({ preventScroll: true });
    next.closest("[data-key]").scrollIntoView({ block: "nearest" });
  }

  const keys = {
    j: () => go(1),
    k: () => go(-1),
    "/": () => { typed.focus(); typed.select(); },
    "?": () => document.getElementById("keys").showModal(),
    Enter: () => links()[0]?.click(),
  };

  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.key === "Escape" && target === typed) typed.blur();
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (read("keys", "on") !== "on" || target.closest("input, select, textarea, [contenteditable]")) return;
    if (event.key === "Enter" && target !== document.body && target.id !== "main") return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  function opens(button, dialog) {
    button.hidden = false;
    button.addEventListener("click", () => dialog.showModal());
  }
  opens(document.getElementById("show-keys"), document.getElementById("keys"));
  const display = document.getElementById("display");
  opens(document.getElementById("show-display"), display);

  const hidden = () => new Set(read("hide", "").split(" ").filter((name) => name));
  display.addEventListener("change", (event) => {
    const { name, value, checked } = event.target;
    if (name === "column") {
      const columns = hidden();
      if (checked) columns.delete(value);
      else columns.add(value);
      write("hide", [...columns].join(" "));
    } else if (name === "keys") write("keys", checked ? "on" : "off");
    else write(name, value);
  });
  display.querySelectorAll("input").forEach((input) => {
    if (input.name === "column") input.checked = !hidden().has(input.value);
    else if (input.name === "keys") input.checked = read("keys", "on") === "on";
    else input.checked = read(input.name, input.name === "theme" ? "dark" : "roomy") === input.value;
  });

  // A view needs no word about what does not matter in it.
  document.getElementById("filter")?.addEventListener("submit", (event) => {
    [...event.target.elements].forEach((one) => { if (one.name && one.value === "") one.disabled = true; });
  });
  document.getElementById("filter")?.addEventListener("change", (event) => event.currentTarget.requestSubmit());
})();
