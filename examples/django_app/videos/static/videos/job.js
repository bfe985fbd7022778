"use strict";

// Fetches and shows the status of the job until it has ended, without a reload.
const PAUSE = 1500; // milliseconds
const page = document.getElementById("job");
const video = document.getElementById("video");

function say(id, text) {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text; // a screen reader reads each change aloud
}

async function fetchStatus() {
  const response = await fetch(page.dataset.statusUrl, { headers: { Accept: "application/json" } });
  if (response.redirected) location.reload(); // the session has expired
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function show(job) {
  document.getElementById("status").dataset.status = job.status;
  page.dataset.settled = job.settled;
  for (const id of ["status", "explanation", "notice"]) say(id, job[id]);
  if (job.status === "completed") {
    video.src = page.dataset.videoUrl;
    document.getElementById("result").hidden = false;
  }
}

async function check() {
  await fetchStatus().then(show).catch(() => say("notice", "This site cannot be reached at the moment. The page keeps trying."));
  follow();
}

function follow() {
  if (page.dataset.settled !== "true") setTimeout(check, PAUSE);
}

video.addEventListener("error", () => say("notice", "The video cannot be fetched at the moment. Reload the page to try again."));
follow();
