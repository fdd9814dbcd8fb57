// The pages work without this. It filters the list, refreshes statuses and pictures each minute,
// and says in a picture's place why it did not come.
"use strict";

const REFRESH_MS = 60000;
const STATUSES = ["ok", "warning", "critical"];

function setUpFilter() {
  const input = document.getElementById("filter");
  if (!input) return;
  input.parentElement.hidden = false;
  const rows = [...document.querySelectorAll(".hosts li")].map((row) => ({
    row,
    text: row.textContent.toLowerCase() + " " + row.dataset.address.toLowerCase(),
  }));
  const boxes = [...document.querySelectorAll(".section"), ...document.querySelectorAll(".service")];
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    for (const box of boxes) box.hidden = !box.querySelector("li:not([hidden])");
    document.getElementById("no-match").hidden = shown > 0 || rows.length === 0;
  };
  input.addEventListener("input", apply);
  // A browser may restore what was typed before.
  if (input.value) apply();
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    }
  });
}

function setStatus(mark, name) {
  mark.className = "mark " + name;
  mark.title = name;
  mark.setAttribute("aria-label", name);
}

async function refreshStatuses() {
  const hosts = [...document.querySelectorAll("[data-address]")];
  if (hosts.length === 0) return;
  const form = new URLSearchParams(hosts.map((host) => ["address", host.dataset.address]));
  let statuses = {};
  try {
    const answer = await fetch("api/host-status", { method: "POST", body: form });
    if (answer.ok) statuses = await answer.json();
  } catch {
    // The web itself is away: nothing is known, as below.
  }
  for (const host of hosts) {
    const name = STATUSES[statuses[host.dataset.address]] ?? "unknown";
    setStatus(host.querySelector(".mark"), name);
  }
}

// The same address with another minute at its end: the browser asks again, and shows the old
// picture until the new one has come.
function laterAddress(address, minute) {
  return address.replace(/&at=\d+/g, "").replace(/(graph\?[^ ,]*)/g, "$1&at=" + minute);
}

function refreshPictures() {
  const minute = Math.floor(Date.now() / REFRESH_MS);
  for (const figure of document.querySelectorAll("figure")) {
    for (const source of figure.querySelectorAll("source")) {
      source.srcset = laterAddress(source.getAttribute("srcset"), minute);
    }
    const image = figure.querySelector("img");
    image.srcset = laterAddress(image.getAttribute("srcset"), minute);
    image.src = laterAddress(image.getAttribute("src"), minute);
  }
}

async function explain(image) {
  const figure = image.closest("figure");
  if (!figure) return;
  let reason = "this graph could not be loaded";
  try {
    const answer = await fetch(image.currentSrc || image.src);
    if (answer.ok) return; // It came meanwhile; the next refresh shows it.
    reason = await answer.text();
  } catch {
    // No connection: the text above says enough.
  }
  let note = figure.querySelector(".no-data");
  if (!note) {
    note = document.createElement("p");
    note.className = "no-data";
    figure.append(note);
  }
  note.textContent = image.alt + ": " + reason.trim();
  image.hidden = true;
}

function setUpPictures() {
  // Neither of these events bubbles: they are caught on their way down.
  const onImage = (type, act) =>
    document.addEventListener(type, (event) => {
      if (event.target instanceof HTMLImageElement) act(event.target);
    }, true);
  onImage("error", explain);
  onImage("load", (image) => {
    image.hidden = false;
    image.closest("figure")?.querySelector(".no-data")?.remove();
  });
}

let refreshed = Date.now();

function refresh() {
  if (document.hidden || Date.now() - refreshed < REFRESH_MS) return;
  refreshed = Date.now();
  refreshStatuses();
  refreshPictures();
}

setUpFilter();
setUpPictures();
// Often looked whether it is time: a page that was hidden for long is refreshed when it is seen.
setInterval(refresh, 1000);
document.addEventListener("visibilitychange", refresh);
