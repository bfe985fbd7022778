"use strict";

// A click too many does no harm, since the form can be used once; but it should not look as if nothing happened.
const form = document.getElementById("new");

form.addEventListener("submit", () => {
  const button = form.querySelector("button");
  button.disabled = true;
  button.textContent = "Sending…";
});

// Nor is a form used again by going back: whatever a browser has kept of this page, it asks for a new one.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
