// A drag over a graph opens its time; keys and links move and zoom.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PHONE, canvasOf, newPage, open, openServer, pictureOf, shoot } from "./stage.js";

const GRAPH = "loadavg-1";

function rangeOf(page) {
  const { searchParams } = new URL(page.url());
  assert.equal(searchParams.get("term"), "custom");
  return { from: Number(searchParams.get("from")), to: Number(searchParams.get("to")) };
}

// The range that the page shows, whatever it is called.
async function shown(page) {
  const { start, end } = await page.locator(".controls").evaluate((controls) => ({ ...controls.dataset }));
  return { start: Number(start), end: Number(end), length: end - start };
}

async function dragOver(page, canvas, parts, act = async () => {}) {
  const [from, to] = parts.map((part) => canvas.left + part * canvas.width);
  const y = canvas.top + canvas.height / 2;
  await page.mouse.move(from, y);
  await page.mouse.down();
  await page.mouse.move((from + to) / 2, y);
  await page.mouse.move(to, y);
  await act();
  await page.mouse.up();
}

// To the minute, while another may begin, and to a pixel or two.
function near(time, expected, canvas) {
  const pixel = (canvas.numbers.to - canvas.numbers.from) / canvas.width;
  assert.ok(Math.abs(time - expected) <= 120 + 2 * pixel, `${time}, not ${expected}`);
}

test("a drag over a graph opens that time for all graphs, and the way back is the browser's", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  const before = page.url();
  const { from: start, to: end } = canvas.numbers;
  const top = canvas.top;
  await dragOver(page, canvas, [0.25, 0.75], async () => {
    const says = page.locator(".selection span");
    await says.getByText("–").waitFor();
    const times = (await says.innerText()).split(" – ");
    assert.equal(times.length, 2);
    assert.match(times[0], /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
    assert.match(times[1], /^(\d{4}-\d\d-\d\d )?\d\d:\d\d$/);
    await shoot(page, "zoom", {});
  });
  await page.waitForURL(/term=custom/, { waitUntil: "load" });
  const range = rangeOf(page);
  near(range.from, start + 0.25 * (end - start), canvas);
  near(range.to, start + 0.75 * (end - start), canvas);
  assert.equal(range.from % 60, 0);
  assert.equal(range.to % 60, 0);
  // All pictures show it, and the graph is where it was.
  const terms = await page.locator("figure a").evaluateAll((links) =>
    links.map((link) => new URL(link.href).searchParams.get("term")));
  assert.ok(terms.length > 1 && terms.every((term) => term === "custom"), String(terms));
  await page.waitForFunction(
    ([graph, top]) => {
      const image = document.querySelector(`figure a[href*="graph=${graph}&"] img`);
      return Math.abs(image.getBoundingClientRect().top + 28 - top) < 40;
    },
    [GRAPH, top],
  );
  assert.ok(await page.locator(".custom").evaluate((form) => form.checkValidity()), "its times are offered");
  await page.goBack();
  assert.equal(page.url(), before);
});

test("a selection from right to left is the same, to the minute even where it is short", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  const { from: start, to: end } = canvas.numbers;
  await dragOver(page, canvas, [0.505, 0.5]);
  await page.waitForURL(/term=custom/, { waitUntil: "load" });
  const range = rangeOf(page);
  near(range.from, start + 0.5 * (end - start), canvas);
  assert.ok(range.to - range.from >= 60, JSON.stringify(range));
  assert.equal(await page.locator("h1").count(), 1);
});

test("Escape gives a selection up, and the click that ends it is none", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  const before = page.url();
  await dragOver(page, canvas, [0.2, 0.6], async () => {
    await page.locator(".selection").waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".selection").count(), 0);
  });
  // Had the release gone anywhere, this would find another page.
  await page.evaluate(() => new Promise((done) => setTimeout(done)));
  assert.equal(page.url(), before);
});

test("a plain click opens the page of the graph", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  await (await pictureOf(page, GRAPH)).click();
  await page.waitForURL(/\/details\?/);
});

test("a picture that is shown smaller than it is gives the right times", async (context) => {
  const page = await newPage(context, { viewport: { width: 700, height: 800 } });
  await openServer(page, { term: "hour" });
  const picture = await pictureOf(page, GRAPH);
  assert.ok(await picture.evaluate((image) => image.width < image.naturalWidth));
  const canvas = await canvasOf(picture);
  const { from: start, to: end } = canvas.numbers;
  await dragOver(page, canvas, [0.1, 0.9]);
  await page.waitForURL(/term=custom/, { waitUntil: "load" });
  near(rangeOf(page).from, start + 0.1 * (end - start), canvas);
  near(rangeOf(page).to, start + 0.9 * (end - start), canvas);
});

test("a finger selects across and scrolls up and down", async (context) => {
  const page = await newPage(context, PHONE);
  await openServer(page, { term: "hour" });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  const { from: start, to: end } = canvas.numbers;
  const session = await page.context().newCDPSession(page);
  const touch = (type, x, y) =>
    session.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x, y }] });
  const [x, y] = [canvas.left + canvas.width / 4, canvas.top + canvas.height / 2];
  const scrolled = await page.evaluate(() => window.scrollY);
  await touch("touchStart", x, y);
  for (let step = 1; step <= 20; step += 1) await touch("touchMove", x + step, y - 10 * step);
  await touch("touchEnd");
  await page.waitForFunction((scrolled) => window.scrollY > scrolled + 50, scrolled);
  assert.equal(await page.locator(".selection").count(), 0);
  assert.doesNotMatch(page.url(), /term=custom/);

  const again = await canvasOf(await pictureOf(page, GRAPH));
  const height = again.top + again.height / 2;
  await touch("touchStart", again.left + again.width / 4, height);
  for (let step = 1; step <= 10; step += 1) {
    await touch("touchMove", again.left + again.width * (0.25 + 0.05 * step), height);
  }
  await page.locator(".selection").waitFor();
  const covers = await page.locator(".hover-box").evaluate(
    (box, [x, y]) => {
      const { left, right, top, bottom } = box.getBoundingClientRect();
      return !box.hidden && left <= x && x <= right && top <= y && y <= bottom;
    },
    [again.left + again.width * 0.75, height],
  );
  assert.equal(covers, false, "the values are under the finger");
  const label = await page.locator(".selection span").boundingBox();
  assert.ok(label.x >= 0 && label.x + label.width <= PHONE.viewport.width, JSON.stringify(label));
  await shoot(page, "zoom-phone", {});
  await touch("touchEnd");
  await page.waitForURL(/term=custom/, { waitUntil: "load" });
  near(rangeOf(page).from, start + 0.25 * (end - start), again);
  near(rangeOf(page).to, start + 0.75 * (end - start), again);
});

test("keys move by half a range and zoom, but not while a field has the focus", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "custom", from: 1_700_000_000 - 1_700_000_000 % 60, to: 1_700_007_200 - 1_700_007_200 % 60 });
  const first = await shown(page);
  const press = async (key) => {
    const loaded = page.waitForEvent("load");
    await page.keyboard.press(key);
    await loaded;
    return shown(page);
  };
  let now = await press("ArrowLeft");
  assert.deepEqual([now.start, now.end], [first.start - 3600, first.end - 3600]);
  now = await press("ArrowRight");
  assert.deepEqual(now, first);
  now = await press("-");
  assert.deepEqual([now.start, now.end], [first.start - 3600, first.end + 3600]);
  now = await press("+");
  assert.deepEqual(now, first);
  const url = page.url();
  await page.locator("input[name=from]").focus();
  await page.keyboard.press("ArrowLeft");
  assert.equal(page.url(), url);
  await page.keyboard.press("Tab");
});

test("a question mark shows what keys do", async (context) => {
  const page = await newPage(context);
  await open(page);
  await page.keyboard.press("?");
  assert.ok(await page.getByRole("dialog", { name: "Help" }).isVisible());
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
});
