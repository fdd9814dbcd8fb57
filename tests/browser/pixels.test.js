// A graph shows what was pushed: at the height of each value, in the definition's colour, and nothing
// where nothing is known. Looked at as the browser shows it, so it holds for pictures of any format.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { HOST, startServers } from "./servers.js";
import { newPage } from "./stage.js";

const RED = "#D02020";
const BLUE = "#2040D0";
const GREEN = "#108040";

// Axes are fixed, so that a value's height is known without asking. Areas say how dense they are: else
// a paler one has a border of its colour.
const SHAPES = `
[[group]]
label = "Shapes"
graphs = ["area", "stack", "line", "negative"]
[graph.area]
label = "Area"
range = [0, 100]
draw = [{ area = "steps.gauge", name = "Steps", color = "${RED}FF" }]
[graph.stack]
label = "Stack"
range = [0, 100]
draw = [
    { area = "steps.gauge", name = "Below", color = "${RED}FF" },
    { stack = "upper.gauge", name = "Above", color = "${BLUE}FF" },
    { line = "saw.gauge", name = "Saw", width = 2, color = "${GREEN}" },
]
[graph.line]
label = "Line"
range = [0, 100]
draw = [{ line = "saw.gauge", name = "Saw", width = 2, color = "${GREEN}" }]
[graph.negative]
label = "Negative"
range = [-50, 50]
draw = [{ area = "negative.gauge", name = "Both", color = "${BLUE}FF" }]
`;

const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;

// Of the newest points.
const end = Math.floor(Date.now() / 60_000) * 60 - 120;

// Values by seconds before the end.
const steps = (ago) => {
  if (ago < HOUR / 2) return 50;
  if (ago < 6 * HOUR) return 20;
  return Math.floor(ago / (12 * HOUR)) % 2 === 0 ? 70 : 40;
};
const isGap = (ago) => ago >= 10 * MINUTE && ago < 20 * MINUTE;
const upper = (ago) => (ago < HOUR / 2 ? 15 : 30);
const saw = (ago) => 10 + ((HOUR - ago) / HOUR) * 80;
const negative = (ago) => (ago < HOUR / 2 ? 30 : -40);

let servers;

before(async () => {
  servers = await startServers({ shapes: SHAPES });
  const line = (name, value, ago) => `${HOST}\tshapes.metrics.${name}.gauge\t${value}\t${end - ago}`;
  const lines = [];
  for (let ago = 8 * DAY; ago >= 0; ago -= MINUTE) {
    if (!isGap(ago)) lines.push(line("steps", steps(ago), ago));
    if (ago > 2 * HOUR) continue;
    lines.push(line("upper", upper(ago), ago), line("saw", saw(ago), ago), line("negative", negative(ago), ago));
  }
  for (let at = 0; at < lines.length; at += 4000) servers.push(lines.slice(at, at + 4000));
});

after(() => servers?.stop());

// A picture on the host's page over the time from so many seconds before the end, and its numbers.
async function openGraph(context, graph, seconds, parameters = {}) {
  const page = await newPage(context);
  const query = { address: HOST, plugin_identifier: "shapes", term: "custom", from: end - seconds, to: end };
  await page.goto(new URL(`server?${new URLSearchParams({ ...query, ...parameters })}`, servers.url).href);
  const picture = page.locator(`figure:has(a[href*="graph=${graph}&"]) img`);
  await picture.evaluate(async (image) => {
    image.loading = "eager";
    await image.decode();
  });
  const numbers = await picture.evaluate(async (image) => {
    const address = new URL(image.currentSrc);
    // Formats differ in where their canvas stands.
    address.searchParams.set("picture", address.searchParams.get("format"));
    address.searchParams.set("format", "json");
    return (await fetch(address)).json();
  });
  return { picture, numbers };
}

// The stretches of a column of pixels, from top to bottom, that are of that colour, to within what a
// grid line upon it changes; `[first, last]` in pixels of the picture as it stands on the page.
async function stretches({ picture, numbers }, ago, color, least = 60) {
  const { canvas, from, to } = numbers;
  const x = canvas.left + ((end - ago - from) / (to - from)) * canvas.width;
  return picture.evaluate(
    (image, { x, top, bottom, color, least }) => {
      // As large as it stands on the page: what is drawn by lines has no pixels of its own.
      const canvas = document.createElement("canvas");
      canvas.width = image.width;
      canvas.height = image.height;
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0, image.width, image.height);
      const wanted = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
      const { data } = context.getImageData(Math.round(x), top, 1, bottom - top);
      const found = [];
      for (let row = 0; row < bottom - top; row += 1) {
        const off = wanted.map((value, channel) => Math.abs(value - data[4 * row + channel]));
        if (Math.max(...off) > least) continue;
        const last = found.at(-1);
        // A grid line may go through.
        if (last && top + row - last[1] <= 3) last[1] = top + row;
        else found.push([top + row, top + row]);
      }
      return found;
    },
    { x, top: Math.round(canvas.top), bottom: Math.round(canvas.top + canvas.height), color, least },
  );
}

// Where a value stands, in pixels from the picture's top.
function heightOf({ canvas }, value, [low, high]) {
  return canvas.top + canvas.height * (1 - (value - low) / (high - low));
}

const TOLERANCE = 2;

// In the column of that time the colour goes from one value up to the other, and is nowhere else.
async function assertFilled(graph, ago, color, [below, above], axis = [0, 100]) {
  const found = await stretches(graph, ago, color);
  const said = `${color} ${ago} s before the end is at ${JSON.stringify(found)}`;
  assert.equal(found.length, 1, said);
  const [[top, bottom]] = found;
  // The pixel above a border is the last of what is above it.
  const expected = [heightOf(graph.numbers, above, axis), heightOf(graph.numbers, below, axis) - 1];
  assert.ok(Math.abs(top - expected[0]) <= TOLERANCE, `${said}, not from ${expected}`);
  assert.ok(Math.abs(bottom - expected[1]) <= TOLERANCE, `${said}, not to ${expected}`);
}

async function assertEmpty(graph, ago, color) {
  assert.deepEqual(await stretches(graph, ago, color), [], `${color} ${ago} s before the end`);
}

// What the numbers of the picture say of a time.
function numberAt({ numbers }, ago, of = 0, kind = "values") {
  const row = Math.ceil((end - ago - numbers.start) / numbers.step);
  return numbers.series[of][kind][row];
}

test("an area goes from zero to each value that was pushed, and a gap is empty", async (context) => {
  const graph = await openGraph(context, "area", HOUR);
  for (const ago of [55, 40, 32, 28, 22, 5, 2].map((minutes) => minutes * MINUTE)) {
    assert.equal(numberAt(graph, ago), steps(ago));
    await assertFilled(graph, ago, RED, [0, steps(ago)]);
  }
  // What came in the gap's last minutes would be unknown as well.
  for (const ago of [18, 15, 13].map((minutes) => minutes * MINUTE)) {
    assert.equal(numberAt(graph, ago), null);
    await assertEmpty(graph, ago, RED);
  }
});

test("areas upon each other add up, in the definition's order", async (context) => {
  const graph = await openGraph(context, "stack", HOUR);
  for (const ago of [45, 5].map((minutes) => minutes * MINUTE)) {
    const border = steps(ago);
    const found = await stretches(graph, ago, RED);
    assert.ok(found.length > 0);
    const reds = [found[0][0], found.at(-1)[1]];
    assert.ok(Math.abs(reds[0] - heightOf(graph.numbers, border, [0, 100])) <= TOLERANCE, `${ago}: ${reds}`);
    const blues = await stretches(graph, ago, BLUE);
    const [top, bottom] = [blues[0][0], blues.at(-1)[1]];
    assert.ok(Math.abs(top - heightOf(graph.numbers, border + upper(ago), [0, 100])) <= TOLERANCE, `${ago}: ${blues}`);
    assert.ok(Math.abs(bottom + 1 - heightOf(graph.numbers, border, [0, 100])) <= TOLERANCE, `${ago}: ${blues}`);
  }
});

test("a line is at each value, and nothing is above or below it", async (context) => {
  const graph = await openGraph(context, "line", HOUR);
  for (const ago of [50, 35, 20, 5].map((minutes) => minutes * MINUTE)) {
    assert.ok(Math.abs(numberAt(graph, ago) - saw(ago)) < 0.01);
    await assertFilled(graph, ago, GREEN, [saw(ago) - 1, saw(ago) + 1]);
  }
});

test("values below zero are below the axis, those above are above it", async (context) => {
  const graph = await openGraph(context, "negative", HOUR);
  for (const ago of [50, 40]) await assertFilled(graph, ago * MINUTE, BLUE, [-40, 0], [-50, 50]);
  for (const ago of [20, 10]) await assertFilled(graph, ago * MINUTE, BLUE, [0, 30], [-50, 50]);
});

for (const [range, seconds, hours] of [["day", DAY, [3, 9, 18]], ["week", 7 * DAY, [18, 30, 78, 102, 150]]]) {
  test(`over a ${range}, where a pixel is many points, the heights are the same`, async (context) => {
    const graph = await openGraph(context, "area", seconds);
    for (const ago of hours.map((hour) => hour * HOUR)) {
      assert.ok(Math.abs(numberAt(graph, ago) - steps(ago)) < 0.01, `${numberAt(graph, ago)}, not ${steps(ago)}`);
      await assertFilled(graph, ago, RED, [0, steps(ago)]);
    }
  });
}

test("compared with the day before, its values are a pale line where they were", async (context) => {
  const pale = "#E57D7D";
  const ago = 3 * HOUR;
  const before = steps(ago + DAY);
  const alone = await openGraph(context, "area", 5 * HOUR);
  // The edge of the area itself may be as pale, where it is not on the edge of a pixel.
  const palesOf = async (graph) => {
    const edge = heightOf(graph.numbers, steps(ago), [0, 100]);
    const found = await stretches(graph, ago, pale);
    return found.filter((rows) => rows.some((row) => Math.abs(row - edge) > TOLERANCE));
  };
  assert.deepEqual(await palesOf(alone), []);
  const both = await openGraph(context, "area", 5 * HOUR, { compare: "day" });
  assert.equal(numberAt(both, ago), steps(ago));
  assert.equal(numberAt(both, ago, 0, "previous"), before);
  await assertFilled(both, ago, RED, [0, steps(ago)]);
  const found = await palesOf(both);
  assert.equal(found.length, 1, JSON.stringify(found));
  for (const row of found[0]) {
    assert.ok(Math.abs(row - heightOf(both.numbers, before, [0, 100])) <= TOLERANCE, `${row}`);
  }
});
