"use strict";
// Lets people see the password that they type, so that long ones are no trouble.
document.querySelectorAll("[data-shows]").forEach((label) => {
  const field = document.getElementById(label.dataset.shows);
  const box = label.querySelector("input");
  label.hidden = false;
  box.addEventListener("change", () => { field.type = box.checked ? "text" : "password"; });
});
