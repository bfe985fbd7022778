"use strict";

// A second click does no harm, since a form submits one job; but the visitor should see that something happens.
const form = document.getElementById("new");

form.addEventListener("submit", () => {
  const button = form.querySelector("button");
  button.disabled = true;
  button.textContent = "Sending…";
});

// A visitor who goes back to a cached page gets a new form.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
