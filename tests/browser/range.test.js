// The time that a page shows can be typed, and compared with one before; what was chosen stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PHONE, fitsTheScreen, newPage, openServer, pictureOf } from "./stage.js";

const rangeOf = (page) => page.locator(".controls").evaluate(({ dataset }) => [Number(dataset.start), Number(dataset.end)]);

// A time of a field, so many minutes later.
const later = (text, minutes) => new Date(Date.parse(`${text}Z`) + minutes * 60_000).toISOString().slice(0, 16);

test("typed times are shown, their address shows the same to others, and fields keep them", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const [from, to] = [page.getByLabel("From"), page.getByLabel("To", { exact: true })];
  const start = later(await to.inputValue(), -24 * 60);
  await from.fill(start);
  await to.fill(later(start, 120));
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/term=custom/, { waitUntil: "load" });
  const shown = await rangeOf(page);
  assert.equal(shown[1] - shown[0], 7200);
  assert.equal(await from.inputValue(), start);
  const colleague = await newPage(context);
  await colleague.goto(page.url());
  assert.deepEqual(await rangeOf(colleague), shown);
});

// What the fields say, in seconds since 1970: they are in the zone of the page.
const rangeOfFields = (page) => page.evaluate(() => {
  const zone = document.documentElement.dataset.zone;
  const shownAs = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return [...document.querySelectorAll(".custom input[type=datetime-local]")].map((field) => {
    const wall = Date.parse(`${field.value}Z`);
    const offset = Date.parse(`${shownAs.format(wall).replace(" ", "T")}Z`) - wall;
    return (wall - offset) / 1000;
  });
});

async function fieldsHoldWhatIsShown(page, what) {
  assert.deepEqual(await rangeOfFields(page), await rangeOf(page), what);
  const isValid = await page.locator(".custom").evaluate((form) => form.checkValidity());
  assert.ok(isValid, `${what}: the fields may be sent as they are`);
}

test("the fields hold the range that is shown: of a preset, moved, zoomed, and after going back", async (context) => {
  const page = await newPage(context);
  await openServer(page);
  await fieldsHoldWhatIsShown(page, "a day");
  const periods = page.getByRole("navigation", { name: "Period" });
  for (const [name, term] of [["4 hours", "4hours"], ["Month", "month"], ["Hour", "hour"]]) {
    await periods.getByRole("link", { name, exact: true }).click();
    await page.waitForURL(new RegExp(`term=${term}`), { waitUntil: "load" });
    await fieldsHoldWhatIsShown(page, name);
  }
  const hour = await rangeOf(page);
  for (const name of ["Zoom in", "Half a range back", "Zoom out"]) {
    const before = page.url();
    await page.getByRole("link", { name }).click();
    await page.waitForURL((address) => address.href !== before, { waitUntil: "load" });
    assert.notDeepEqual(await rangeOf(page), hour);
    await fieldsHoldWhatIsShown(page, name);
  }
  const zoomed = page.url();
  await page.getByLabel("From").fill("2020-02-02T02:02");
  await periods.getByRole("link", { name: "8 hours" }).click();
  await page.waitForURL(/term=8hours/, { waitUntil: "load" });
  await page.goBack({ waitUntil: "load" });
  assert.equal(page.url(), zoomed);
  await fieldsHoldWhatIsShown(page, "back");
});

test("a range to the second stays as it is, in the fields and where they are sent", async (context) => {
  const page = await newPage(context);
  const end = Math.floor(Date.now() / 60_000) * 60 - 53;
  await openServer(page, { term: "custom", from: end - 1800, to: end });
  await fieldsHoldWhatIsShown(page, "to the second");
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/from=\d+-/, { waitUntil: "load" });
  assert.deepEqual(await rangeOf(page), [end - 1800, end]);
});

test("on a phone times and comparison fold until they are asked for or in use", async (context) => {
  const page = await newPage(context, PHONE);
  const more = page.getByLabel("Times and comparison");
  const shown = async () => [await page.locator(".custom").isVisible(), await page.locator(".compare").isVisible()];
  await openServer(page, { term: "hour" });
  assert.deepEqual(await shown(), [false, false]);
  const top = async () => (await page.locator(".plugin").first().boundingBox()).y;
  const folded = await top();
  await page.locator(".more").tap();
  assert.deepEqual(await shown(), [true, true]);
  assert.ok(await top() > folded);
  await more.press("Space");
  assert.deepEqual(await shown(), [false, false]);

  await openServer(page, { term: "hour", compare: "day" });
  assert.deepEqual(await shown(), [true, true]);
  const end = Math.floor(Date.now() / 60_000) * 60;
  await openServer(page, { term: "custom", from: end - 1800, to: end });
  assert.deepEqual(await shown(), [true, true]);

  await page.setViewportSize({ width: 1280, height: 900 });
  await openServer(page, { term: "hour" });
  assert.equal(await page.locator(".more").isVisible(), false);
  assert.deepEqual(await shown(), [true, true]);
});

test("on a phone the two times stand below each other, equally wide", async (context) => {
  const page = await newPage(context, PHONE);
  await openServer(page, { term: "hour" });
  await page.locator(".more").tap();
  const boxes = await Promise.all(["From", "To"].map((name) => page.getByLabel(name, { exact: true }).boundingBox()));
  const [from, to] = boxes;
  assert.ok(to.y >= from.y + from.height, JSON.stringify(boxes));
  assert.deepEqual([to.x, to.width], [from.x, from.width]);
  assert.equal(await page.locator(".custom > span").isVisible(), false);
  await fitsTheScreen(page);
});

test("as a period goes with the time the fields do, but not what was typed", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  await openServer(page, { term: "hour" });
  const [start, end] = await rangeOf(page);
  await page.clock.runFor(121_000);
  await page.waitForFunction((end) => Number(document.querySelector(".controls").dataset.end) > end, end);
  const shown = await rangeOf(page);
  assert.equal(shown[1] - shown[0], end - start);
  await fieldsHoldWhatIsShown(page, "later");
  const from = page.getByLabel("From");
  await from.fill("2020-02-02T02:02");
  await page.clock.runFor(121_000);
  await page.waitForFunction((end) => Number(document.querySelector(".controls").dataset.end) > end, shown[1]);
  assert.equal(await from.inputValue(), "2020-02-02T02:02");
});

test("times in the wrong order are refused in words that name them", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const to = page.getByLabel("To", { exact: true });
  await page.getByLabel("From").fill(await to.inputValue());
  const answered = page.waitForResponse(/term=custom/);
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal((await answered).status(), 400);
  await page.getByText("must be a minute at least").waitFor();
});

test("a comparison holds for all graphs and for other periods, until it is given up", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const choices = page.getByRole("navigation", { name: "Compare with" });
  const compared = async () => {
    await pictureOf(page, "loadavg-1");
    const all = await page.locator("figure img").evaluateAll((images) =>
      images.map((image) => new URL(image.src).searchParams.get("compare")));
    assert.equal(new Set(all).size, 1, String(all));
    return all[0];
  };
  assert.equal(await compared(), null);
  await choices.getByRole("link", { name: "Day before" }).click();
  await page.waitForURL(/compare=day/, { waitUntil: "load" });
  assert.equal(await compared(), "day");
  assert.equal(await choices.locator("[aria-current]").innerText(), "Day before");
  await page.getByRole("navigation", { name: "Period" }).getByRole("link", { name: "4 hours" }).click();
  await page.waitForURL(/term=4hours/, { waitUntil: "load" });
  assert.equal(await compared(), "day");
  await choices.getByRole("link", { name: "Nothing" }).click();
  await page.waitForURL((address) => !address.searchParams.has("compare"), { waitUntil: "load" });
  assert.equal(await compared(), null);
});
