// The list shows the hosts that have all words of the field, and a status whose chip is pressed.
import { statusOf } from "./statuses.js";

export function setUpFilter() {
  const input = document.getElementById("filter");
  if (!input) return;
  const rows = [...document.querySelectorAll(".hosts li")].map((row) => ({
    row,
    text: row.textContent.toLowerCase() + " " + row.dataset.address.toLowerCase(),
  }));
  const boxes = [...document.querySelectorAll(".section"), ...document.querySelectorAll(".service")];
  const chips = [...document.querySelectorAll(".chips button")];
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    const pressed = chips
      .filter((chip) => chip.getAttribute("aria-pressed") === "true")
      .map((chip) => chip.dataset.status);
    let shown = 0;
    const counts = { ok: 0, warning: 0, critical: 0, unknown: 0 };
    for (const { row, text } of rows) {
      const status = statusOf(row);
      counts[status] += 1;
      row.hidden = !isOf(status, pressed) || !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    for (const box of boxes) box.hidden = !box.querySelector("li:not([hidden])");
    // Of all hosts, so that what is down is told of whatever the filter hides.
    for (const chip of chips) chip.querySelector("b").textContent = counts[chip.dataset.status];
    document.getElementById("no-match").hidden = shown > 0 || rows.length === 0;
  };
  for (const chip of chips) {
    chip.addEventListener("click", () => {
      chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
      apply();
    });
  }
  input.addEventListener("input", apply);
  document.addEventListener("statuses", apply);
  // A browser may restore what was typed before.
  apply();
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      input.focus();
    }
  });
}

// A host of which nothing is known may be down: it stays with the problems.
function isOf(status, pressed) {
  if (pressed.length === 0 || pressed.includes(status)) return true;
  return status === "unknown" && pressed.some((name) => name !== "ok");
}
