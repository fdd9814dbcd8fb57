// Over a graph the time and values are said, to the eye and to screen readers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { canvasOf, newPage, openServer, pictureOf, shoot } from "./stage.js";

const GRAPH = "loadavg-1";

const newest = Number(process.env.KURADO_NEWEST);
const load = Number(process.env.KURADO_LOAD);

// What was pushed for that minute.
function pushed(time) {
  const minute = 60 - (newest - time) / 60;
  return (load + (minute % 7)).toFixed(2);
}

async function readBox(page) {
  const box = page.locator(".hover-box");
  const time = Date.parse(await box.locator("time").getAttribute("datetime")) / 1000;
  const cells = await box.locator("tr").first().locator("td").allInnerTexts();
  return { time, name: cells[1], value: cells[2] };
}

test("under the pointer stand the time and the value that was pushed", async (context) => {
  const page = await newPage(context);
  // A range that stays, whatever time it becomes meanwhile.
  await openServer(page, { term: "custom", from: newest - 4200, to: newest });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  const { numbers } = canvas;
  for (const ago of [50, 31, 12]) {
    const time = newest - ago * 60;
    // In the middle of the minute that ends then.
    const part = (time - 30 - numbers.from) / (numbers.to - numbers.from);
    await page.mouse.move(canvas.left + part * canvas.width, canvas.top + 20);
    const iso = new Date(time * 1000).toISOString();
    await page.locator(`.hover-box time[datetime="${iso}"]`).waitFor();
    const seen = await readBox(page);
    assert.equal(seen.name, numbers.series[0].name);
    assert.equal(seen.value, pushed(time), iso);
    const line = await page.locator(".hover-line").boundingBox();
    const there = canvas.left + ((time - numbers.from) / (numbers.to - numbers.from)) * canvas.width;
    assert.ok(Math.abs(line.x - there) <= 1.5, `${line.x}, not ${there}`);
  }
  await shoot(page, "hover", {});
  await page.mouse.move(1, 1);
  await page.locator(".hover-box").waitFor({ state: "hidden" });
});

test("a compared graph says the value before as well", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour", compare: "day" });
  const canvas = await canvasOf(await pictureOf(page, GRAPH));
  await page.mouse.move(canvas.left + canvas.width / 2, canvas.top + 20);
  const box = page.locator(".hover-box");
  await box.locator("time").waitFor();
  assert.deepEqual(await box.locator("tr").first().locator("td").allInnerTexts(), ["", "", "now", "before"]);
  assert.equal(await box.locator("tr").nth(1).locator("td").count(), 4);
});

test("by keyboard the values of a graph are read time by time", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const picture = await pictureOf(page, GRAPH);
  const before = page.url();
  await picture.locator("xpath=ancestor::a").focus();
  await page.keyboard.press("Shift+ArrowLeft");
  const spoken = page.locator("#spoken");
  await spoken.getByText(/\d/).waitFor();
  const first = await readBox(page);
  assert.equal(first.value, pushed(first.time));
  assert.ok((await spoken.innerText()).includes(`${first.name} ${first.value}`));
  await page.keyboard.press("Shift+ArrowLeft");
  const iso = new Date((first.time - 60) * 1000).toISOString();
  await page.locator(`.hover-box time[datetime="${iso}"]`).waitFor();
  const second = await readBox(page);
  assert.equal(second.value, pushed(second.time));
  assert.equal(page.url(), before, "with Shift the range stays");
  await page.keyboard.press("Escape");
  await page.locator(".hover-box").waitFor({ state: "hidden" });
});

test("the alt text of a picture in sight says last and max of each series", async (context) => {
  const page = await newPage(context);
  await openServer(page, { term: "hour" });
  const picture = await pictureOf(page, GRAPH);
  await page.waitForFunction(
    (image) => /: .* last [\d.]+, max [\d.]+/.test(image.alt),
    await picture.elementHandle(),
  );
  const alt = await picture.getAttribute("alt");
  const { numbers } = await canvasOf(picture);
  for (const { name, last, max } of numbers.series) {
    assert.ok(alt.includes(`${name} last ${last.toFixed(2)}, max ${max.toFixed(2)}`), alt);
  }
});
