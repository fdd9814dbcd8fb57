// The numbers behind a picture, and where in it they stand.
const loaded = new WeakMap();

// The numbers of what the image shows now; each is asked for once.
export function numbersOf(image) {
  const address = image.currentSrc;
  let known = loaded.get(image);
  if (known?.address !== address) {
    known = { address, numbers: load(address) };
    loaded.set(image, known);
    known.numbers.catch(() => {
      // The next one who wants them asks again.
      if (loaded.get(image) === known) loaded.delete(image);
    });
  }
  return known.numbers;
}

async function load(address) {
  // They say where the values stand in that very picture.
  const answer = await fetch(address.replace("&format=svg", "&format=json&picture=svg"));
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
}

// Where the values stand in the image as it is shown, which may be smaller than it was drawn; in
// pixels from the image's own corner.
export function canvasOf(image, { canvas }) {
  const shown = image.getBoundingClientRect();
  const factor = shown.width / image.naturalWidth;
  return {
    left: canvas.left * factor,
    top: canvas.top * factor,
    width: canvas.width * factor,
    height: canvas.height * factor,
  };
}

// The time, in seconds since 1970, at a place of the window.
export function timeAt(image, numbers, clientX) {
  const { left, width } = canvasOf(image, numbers);
  const part = (clientX - image.getBoundingClientRect().left - left) / width;
  return numbers.from + Math.min(1, Math.max(0, part)) * (numbers.to - numbers.from);
}

export function rowCount({ series }) {
  return series[0]?.values.length ?? 0;
}

// The row that holds at a time: each holds for the step before its own time.
export function rowAt(numbers, time) {
  const row = Math.ceil((time - numbers.start) / numbers.step);
  return Math.min(rowCount(numbers) - 1, Math.max(0, row));
}

export function timeOfRow(numbers, row) {
  return numbers.start + row * numbers.step;
}
