"use strict";

const form = document.querySelector("form"), button = form.querySelector("button");

form.video.addEventListener("change", () => {
  const tooLarge = form.video.files[0]?.size > Number(form.video.dataset.limit);
  form.video.setCustomValidity(tooLarge ? "This file is too large." : "");
  form.video.reportValidity();
});

form.addEventListener("submit", () => {
  button.disabled = true;
  button.textContent = "Sending…";
});

addEventListener("pageshow", event => {
  if (event.persisted) location.reload(); // the visitor went back to a cached page, whose key has been used
});
