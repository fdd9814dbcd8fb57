// Keys for the links to ranges nearby, and every link of the controls keeps the reader's place.
import { keepPlace } from "./place.js";

const NAMES = { "+": "Plus", "=": "Plus", "−": "-" };

export function setUpMoves() {
  const controls = document.querySelector(".controls");
  if (!controls) return;
  controls.addEventListener("click", (event) => {
    const isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (event.target.closest("a") && !isElsewhere) keepPlace();
  });
  controls.addEventListener("submit", () => keepPlace());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    if (event.shiftKey && event.key.startsWith("Arrow")) return;
    const key = NAMES[event.key] ?? event.key;
    const link = controls.querySelector(`[aria-keyshortcuts="${CSS.escape(key)}"]`);
    if (!link) return;
    event.preventDefault();
    link.click();
  });
}
