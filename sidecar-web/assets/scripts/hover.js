// Over a graph: a line, and a box with the time and the values there. The same by keyboard, where a
// text for screen readers says them too.
import { showNumber } from "./number_format.js";
import { canvasOf, numbersOf, rowAt, rowCount, timeAt, timeOfRow } from "./numbers.js";
import { say } from "./texts.js";
import { showTime } from "./times.js";

// So far from the pointer stands the box; a finger hides more.
const AWAY = { mouse: 16, pen: 16, touch: 48 };

const line = made("div", "hover-line");
const box = made("div", "hover-box");
const spoken = made("div", "hidden-text");
// What the pointer wants shown; numbers that come after it went on are not for it.
let wanted = null;
// The graph and the row that are shown.
let shown = null;

function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

export function hideHover() {
  wanted = null;
  shown = null;
  line.remove();
  box.hidden = true;
  spoken.textContent = "";
}

// What is under the pointer.
export async function hoverAt(image, pointer) {
  const mine = (wanted = {});
  const numbers = await numbersOf(image).catch(() => null);
  if (wanted !== mine) return;
  if (!numbers || rowCount(numbers) === 0) return hideHover();
  const row = rowAt(numbers, timeAt(image, numbers, pointer.clientX));
  show(image, numbers, row);
  place(pointer.clientX, pointer.clientY, AWAY[pointer.pointerType] ?? AWAY.mouse);
}

// By keyboard: from the last row that is known, or the one that is shown.
async function step(image, by) {
  const mine = (wanted = {});
  const numbers = await numbersOf(image).catch(() => null);
  if (wanted !== mine || !numbers || rowCount(numbers) === 0) return;
  const isShown = shown?.image === image && shown.numbers === numbers;
  const row = isShown ? shown.row + by : lastKnown(numbers);
  show(image, numbers, Math.min(rowCount(numbers) - 1, Math.max(0, row)));
  const at = line.getBoundingClientRect();
  place(at.left, at.top, AWAY.mouse);
  spoken.textContent = inWords(numbers, shown.row);
}

function lastKnown(numbers) {
  return Math.max(...numbers.series.map(({ values }) => values.findLastIndex((value) => value !== null)), 0);
}

function show(image, numbers, row) {
  shown = { image, numbers, row };
  const figure = image.closest("figure");
  const canvas = canvasOf(image, numbers);
  const [outer, inner] = [figure.getBoundingClientRect(), image.getBoundingClientRect()];
  const part = (timeOfRow(numbers, row) - numbers.from) / (numbers.to - numbers.from);
  const within = Math.min(1, Math.max(0, part)) * canvas.width;
  line.style.left = `${inner.left - outer.left + canvas.left + within}px`;
  line.style.top = `${inner.top - outer.top + canvas.top}px`;
  line.style.height = `${canvas.height}px`;
  figure.append(line);
  fill(numbers, row);
  box.hidden = false;
}

function fill(numbers, row) {
  const time = made("time", "", showTime(timeOfRow(numbers, row)));
  time.dateTime = new Date(timeOfRow(numbers, row) * 1000).toISOString();
  const table = document.createElement("table");
  const isCompared = numbers.series.some(({ previous }) => previous);
  if (isCompared) {
    const names = table.insertRow();
    for (const name of ["", "", say("now"), say("before")]) names.insertCell().textContent = name;
  }
  for (const series of numbers.series) {
    const cells = table.insertRow();
    const swatch = made("span", "swatch");
    swatch.style.background = series.color;
    cells.insertCell().append(swatch);
    cells.insertCell().textContent = series.name;
    cells.insertCell().textContent = showNumber(series.values[row], series, numbers.base);
    if (isCompared) {
      cells.insertCell().textContent = showNumber(series.previous?.[row] ?? null, series, numbers.base);
    }
  }
  box.replaceChildren(time, table);
}

function inWords(numbers, row) {
  const values = numbers.series.map((series) => {
    const now = `${series.name} ${showNumber(series.values[row], series, numbers.base)}`;
    if (!series.previous) return now;
    const value = showNumber(series.previous[row], series, numbers.base);
    return `${now}, ${say("beforeValue", { value })}`;
  });
  return `${showTime(timeOfRow(numbers, row))}: ${values.join("; ")}`;
}

// Above the point and to its right, or wherever there is room; never upon it.
function place(x, y, away) {
  const { width, height } = box.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const right = x + away + width <= clientWidth;
  const left = right ? x + away : Math.max(0, x - away - width);
  let top = y - away - height;
  // Beside the point any height will do.
  if (top < 0 && (right || x - away - width >= 0)) top = 0;
  else if (top < 0) top = y + away;
  box.style.left = `${left}px`;
  box.style.top = `${Math.min(top, Math.max(0, clientHeight - height))}px`;
}

export function setUpHover(isDragging) {
  if (!document.querySelector("figure")) return;
  box.hidden = true;
  box.setAttribute("aria-hidden", "true");
  spoken.id = "spoken";
  spoken.setAttribute("aria-live", "polite");
  document.body.append(box, spoken);
  document.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || isDragging()) return;
    const image = event.target.closest?.("figure")?.querySelector("img");
    if (image?.naturalWidth > 0) hoverAt(image, event);
    else if (wanted) hideHover();
  });
  document.documentElement.addEventListener("pointerleave", hideHover);
  document.addEventListener("scroll", hideHover, { passive: true });
  document.addEventListener("focusout", hideHover);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideHover();
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const image = document.activeElement.closest("figure")?.querySelector("img");
    if (!by || !event.shiftKey || !image) return;
    event.preventDefault();
    step(image, by);
  });
}
