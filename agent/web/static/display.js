"use strict";
// How pages look, as this browser remembers it: before anything is drawn, so that a dark room stays dark. What is stored is
// colours, density and columns, never anything of a patient.
(() => {
  const root = document.documentElement;
  const light = window.matchMedia("(prefers-color-scheme: light)");
  const read = (key, otherwise) => {
    try {
      return window.localStorage.getItem(`tibabu.${key}`) ?? otherwise;
    } catch {
      return otherwise;  // a browser may keep nothing
    }
  };
  const write = (key, value) => {
    try {
      window.localStorage.setItem(`tibabu.${key}`, value);
    } catch { /* it holds for this page */ }
    apply();
  };

  function apply() {
    const theme = read("theme", "dark");
    root.dataset.theme = theme === "system" ? (light.matches ? "light" : "dark") : theme;
    root.dataset.density = read("density", "roomy");
    root.dataset.hide = read("hide", "");
  }

  window.tibabuDisplay = { read, write };
  light.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  apply();
})();
