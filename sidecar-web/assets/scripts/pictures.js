// Pictures of graphs: loaded anew, and where one does not come, its place says why.
import { say } from "./texts.js";

// The same address with another minute at its end: the browser asks again, and shows the old
// picture until the new one has come.
function laterAddress(address, minute) {
  return address.replace(/&at=\d+/g, "").replace(/(graph\?[^ ,]*)/g, "$1&at=" + minute);
}

// Those of the figures that `selector` finds.
export function refreshPictures(selector) {
  const minute = Math.floor(Date.now() / 60000);
  for (const figure of document.querySelectorAll(selector)) {
    for (const source of figure.querySelectorAll("source")) {
      source.srcset = laterAddress(source.getAttribute("srcset"), minute);
    }
    const image = figure.querySelector("img");
    image.src = laterAddress(image.getAttribute("src"), minute);
  }
}

// One that did not come is asked for again after so long, once; later with the others.
const AGAIN_MS = 5000;
const askedAgain = new WeakSet();

// The same picture anew: an attribute that is set has the browser ask, though it is as before.
function askAgain(image) {
  image.src = image.getAttribute("src");
}

async function explain(image) {
  const figure = image.closest("figure");
  if (!figure) return;
  // By the standard a lazy one that is hidden never comes near to where the reader is.
  image.loading = "eager";
  let reason = say("notLoaded");
  let mayComeSoon = true;
  try {
    const answer = await fetch(image.currentSrc || image.src);
    if (answer.ok && !askedAgain.has(image)) {
      askedAgain.add(image);
      return askAgain(image);
    }
    if (!answer.ok) reason = await answer.text();
    mayComeSoon = answer.status >= 500;
  } catch {
    // No connection: the text above says enough.
  }
  if (mayComeSoon && !askedAgain.has(image)) {
    askedAgain.add(image);
    setTimeout(askAgain, AGAIN_MS, image);
  }
  let note = figure.querySelector(".no-data");
  if (!note) {
    note = document.createElement("p");
    note.className = "no-data";
    figure.append(note);
  }
  note.textContent = (image.dataset.what ?? image.alt) + ": " + reason.trim();
  image.hidden = true;
}

export function setUpPictures() {
  // Neither of these events bubbles: they are caught on their way down.
  const onImage = (type, act) =>
    document.addEventListener(type, (event) => {
      if (event.target instanceof HTMLImageElement) act(event.target);
    }, true);
  onImage("error", explain);
  onImage("load", (image) => {
    image.hidden = false;
    askedAgain.delete(image);
    image.closest("figure")?.querySelector(".no-data")?.remove();
  });
}
