// A drag over a graph opens the time that it went over, for all graphs of the page.
import { hideHover, hoverAt } from "./hover.js";
import { canvasOf, numbersOf, timeAt } from "./numbers.js";
import { keepPlace } from "./place.js";
import { showTime } from "./times.js";

// A pointer that went less far, in pixels, clicks. A finger's way is long, as a short one may be
// the begin of a scroll.
const FAR = { mouse: 5, pen: 8, touch: 20 };

let drag = null;
// The click that ends a drag is none.
let swallowsClick = false;

export function isDragging() {
  return Boolean(drag?.selection);
}

function begin(event) {
  const figure = event.target.closest?.("figure");
  const image = figure?.querySelector("img");
  swallowsClick = false;
  if (!event.isPrimary || event.button !== 0 || !(image?.naturalWidth > 0)) return;
  drag = { figure, image, id: event.pointerId, x: event.clientX, y: event.clientY, numbers: null };
  const mine = drag;
  numbersOf(image).then((numbers) => {
    mine.numbers = numbers;
  }, () => {});
}

function move(event) {
  if (drag?.id !== event.pointerId) return;
  if (!drag.selection) {
    const [across, along] = [Math.abs(event.clientX - drag.x), Math.abs(event.clientY - drag.y)];
    if (across < (FAR[event.pointerType] ?? FAR.mouse) || across < along) return;
    drag.selection = document.createElement("div");
    drag.selection.className = "selection";
    drag.selection.append(document.createElement("span"));
    drag.figure.append(drag.selection);
    drag.figure.setPointerCapture(event.pointerId);
    swallowsClick = true;
    hideHover();
  }
  drag.end = event.clientX;
  draw();
  // A finger has no other way to the values. They stand above the graph, clear of the times.
  if (event.pointerType === "touch") {
    const { top } = drag.selection.getBoundingClientRect();
    hoverAt(drag.image, { clientX: event.clientX, clientY: top, pointerType: "touch" });
  }
}

// The first and the last whole minute that the drag touched.
function range({ image, numbers, x, end }) {
  const times = [x, end].map((at) => timeAt(image, numbers, at)).sort((a, b) => a - b);
  const from = Math.floor(times[0] / 60) * 60;
  return { from, to: Math.max(from + 60, Math.ceil(times[1] / 60) * 60) };
}

function draw() {
  const { figure, image, numbers, selection, x, end } = drag;
  const [outer, inner] = [figure.getBoundingClientRect(), image.getBoundingClientRect()];
  // Until the numbers come, the picture's own edges bound it.
  const whole = { left: 0, top: 0, width: inner.width, height: inner.height };
  const canvas = numbers ? canvasOf(image, numbers) : whole;
  const least = inner.left + canvas.left;
  const [left, right] = [x, end]
    .map((at) => Math.min(least + canvas.width, Math.max(least, at)))
    .sort((a, b) => a - b);
  selection.style.left = `${left - outer.left}px`;
  selection.style.width = `${right - left}px`;
  selection.style.top = `${inner.top - outer.top + canvas.top}px`;
  selection.style.height = `${canvas.height}px`;
  if (!numbers) return;
  const { from, to } = range(drag);
  const label = selection.firstChild;
  label.textContent = showRange(from, to);
  // Within the picture, whatever is selected.
  const most = inner.right - label.offsetWidth;
  label.style.left = `${Math.max(inner.left, Math.min(left, most)) - left}px`;
}

function showRange(from, to) {
  const [first, last] = [showTime(from), showTime(to)];
  const [date, time] = last.split(" ");
  return `${first} – ${first.startsWith(date) ? time : last}`;
}

function cancel() {
  drag?.selection?.remove();
  drag = null;
  hideHover();
}

async function release(event) {
  if (drag?.id !== event.pointerId) return;
  if (!drag.selection) {
    drag = null;
    return;
  }
  const done = drag;
  done.numbers ??= await numbersOf(done.image).catch(() => null);
  if (drag !== done) return; // Cancelled meanwhile.
  cancel();
  if (!done.numbers) return;
  const { from, to } = range(done);
  const address = new URL(location.href);
  const parameters = { term: "custom", from, to };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  keepPlace(done.figure);
  location.assign(address);
}

export function setUpZoom() {
  document.addEventListener("pointerdown", begin);
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", release);
  document.addEventListener("pointercancel", cancel);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") cancel();
  });
  document.addEventListener("click", (event) => {
    // One by key has no count, and ends no drag.
    if (event.detail === 0) return;
    if (swallowsClick) event.preventDefault();
    swallowsClick = false;
  }, true);
  // The browser's own drag of a link or picture would take the pointer away.
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest?.("figure")) event.preventDefault();
  });
  // A page that comes back as it was left has no drag any more.
  window.addEventListener("pageshow", cancel);
}
