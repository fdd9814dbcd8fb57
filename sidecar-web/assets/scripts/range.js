// The fields of the range hold the one that is shown.
import { showTime } from "./times.js";

// A named period goes with the time: pictures that come anew are of a later one.
export function refreshRange() {
  const controls = document.querySelector(".controls");
  if (!controls || controls.dataset.term === "custom") return;
  const end = Math.floor(Date.now() / 60000) * 60;
  const start = end - (Number(controls.dataset.end) - Number(controls.dataset.start));
  Object.assign(controls.dataset, { start, end });
  const form = controls.querySelector(".custom");
  // Not under the hand of who types a time.
  if (form.contains(document.activeElement)) return;
  // What was typed already stays.
  form.elements.from.defaultValue = showTime(start).replace(" ", "T");
  form.elements.to.defaultValue = showTime(end).replace(" ", "T");
}

export function setUpRange() {
  // A page that the browser kept comes back with what was typed before another range was opened.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted) document.querySelector(".custom")?.reset();
  });
}
