"use strict";

// Fetch and show the status of the job until it has finished, without a reload.
const page = document.getElementById("job");
const [text, note, bar, result, video] = ["#text", "#note", "progress", "#result", "video"].map(
  selector => page.querySelector(selector),
);
const say = (element, words) => {
  if (element.textContent !== words) element.textContent = words; // a screen reader reads each change aloud
};

async function check() {
  try {
    const response = await fetch(page.dataset.statusUrl);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    show(await response.json());
  } catch (error) {
    say(note, `This site cannot be reached at the moment (${error.message}). The page keeps trying.`);
  }
  next();
}

function show(job) {
  say(text, job.text);
  say(note, job.note);
  bar.hidden = job.finished;
  if (job.finished) page.dataset.finished = "";
  if (job.status === "completed") {
    video.src = page.dataset.videoUrl;
    result.hidden = false;
  }
}

function next() {
  if (!("finished" in page.dataset)) setTimeout(check, 1500); // milliseconds
}

video.addEventListener("error", () => say(note, "The video cannot be fetched at the moment; reload to try again."));
next();
