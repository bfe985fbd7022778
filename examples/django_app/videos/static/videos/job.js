"use strict";

// Fetches and shows the status of the job until it has ended, without a reload.
const PAUSE = 1500; // milliseconds
const page = document.getElementById("job");
const video = document.getElementById("video");

function say(id, text) {
  const element = document.getElementById(id);
  if (element.textContent !== text) element.textContent = text; // a screen reader reads each change aloud
}

async function ask() {
  const answer = await fetch(page.dataset.statusUrl, { headers: { Accept: "application/json" } });
  if (answer.redirected) location.reload(); // the login has ended
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
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

async function look() {
  await ask().then(show).catch(() => say("notice", "This site cannot be reached just now. The page keeps trying."));
  follow();
}

function follow() {
  if (page.dataset.settled !== "true") setTimeout(look, PAUSE);
}

video.addEventListener("error", () => say("notice", "The video cannot be fetched just now. Reload the page to try again."));
follow();
