// Pictures of graphs: loaded anew, and where one does not come, its place says why.

// The same address with another minute at its end: the browser asks again, and shows the old
// picture until the new one has come.
function laterAddress(address, minute) {
  return address.replace(/&at=\d+/g, "").replace(/(graph\?[^ ,]*)/g, "$1&at=" + minute);
}

export function refreshPictures() {
  const minute = Math.floor(Date.now() / 60000);
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
    image.closest("figure")?.querySelector(".no-data")?.remove();
  });
}
