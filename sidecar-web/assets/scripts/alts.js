// The alt texts of pictures that can be seen say what they show: the last and the highest value of
// each series. A few are asked for at a time, when the browser has nothing better to do.
import { showNumber } from "./number_format.js";
import { numbersOf } from "./numbers.js";
import { say } from "./texts.js";

const AT_ONCE = 4;

const visible = new Set();
const waiting = new Set();
let running = 0;
const whenIdle = window.requestIdleCallback ?? ((act) => setTimeout(act, 200));

function want(image) {
  waiting.add(image);
  whenIdle(next);
}

function next() {
  for (const image of waiting) {
    if (running >= AT_ONCE) return;
    waiting.delete(image);
    // One that has not come yet is wanted again when it has.
    if (image.complete && image.naturalWidth > 0) describe(image);
  }
}

async function describe(image) {
  running += 1;
  try {
    const { base, series } = await numbersOf(image);
    const values = series.map((one) => {
      const [last, max] = [one.last, one.max].map((number) => showNumber(number, one, base));
      return say("altSeries", { name: one.name, last, max });
    });
    image.dataset.what ??= image.alt;
    image.alt = `${image.dataset.what}: ${values.join("; ")}`;
  } catch {
    // It keeps the text that it has.
  }
  running -= 1;
  if (waiting.size > 0) whenIdle(next);
}

export function setUpAlts() {
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        visible.add(target);
        want(target);
      } else {
        visible.delete(target);
        waiting.delete(target);
      }
    }
  });
  for (const image of document.querySelectorAll("figure img")) observer.observe(image);
  document.addEventListener("load", ({ target }) => {
    if (visible.has(target)) want(target);
  }, true);
}
