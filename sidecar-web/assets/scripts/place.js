// Another range of the same page opens where the reader was: the graph that was looked at stands as
// high in the window as before.
const KEY = "kurado.place";

function nameOf(figure) {
  const { searchParams } = new URL(figure.querySelector("a").href);
  return ["address", "plugin_identifier", "graph"].map((name) => searchParams.get(name)).join("\n");
}

function firstVisible() {
  return [...document.querySelectorAll("figure")].find(
    (figure) => figure.getBoundingClientRect().bottom > 60,
  );
}

// Called before the page goes to another range.
export function keepPlace(figure = firstVisible()) {
  if (!figure || window.scrollY === 0) return;
  const place = { name: nameOf(figure), top: figure.getBoundingClientRect().top };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(place));
  } catch {
    // It opens at its top.
  }
}

export function restorePlace() {
  let place = null;
  try {
    place = JSON.parse(sessionStorage.getItem(KEY));
    sessionStorage.removeItem(KEY);
  } catch {
    return;
  }
  const figure = place && [...document.querySelectorAll("figure a")]
    .map((link) => link.closest("figure"))
    .find((figure) => nameOf(figure) === place.name);
  if (!figure) return;
  const scroll = () => window.scrollBy(0, figure.getBoundingClientRect().top - place.top);
  scroll();
  // What is not yet drawn has a guessed height until it is near.
  requestAnimationFrame(scroll);
}
