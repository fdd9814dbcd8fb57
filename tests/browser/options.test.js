// What a reader chooses for all pages: colours, and whether they refresh.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPage, open, openServer, pictureOf, shoot } from "./stage.js";

const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

async function choose(page, theme) {
  await page.getByLabel("Options").click();
  const loaded = page.waitForEvent("load");
  await page.getByLabel("Colors").selectOption(theme);
  await loaded;
}

test("a chosen theme holds against the system's, for pages, errors and graphs, until auto is chosen", async (context) => {
  const page = await newPage(context, { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await open(page);
  const light = await background(page);
  await choose(page, "dark");
  const dark = await background(page);
  assert.notEqual(dark, light);
  await openServer(page, { term: "hour" });
  assert.equal(await background(page), dark);
  const themeOf = async () => {
    const address = await (await pictureOf(page, "loadavg-1")).evaluate((image) => image.currentSrc);
    return new URL(address).searchParams.get("theme") ?? "light";
  };
  assert.equal(await themeOf(), "dark");
  await shoot(page, "theme-dark", {});
  await open(page, "nothing-is-here");
  assert.equal(await background(page), dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await choose(page, "light");
  assert.equal(await background(page), light);
  await openServer(page, { term: "hour" });
  assert.equal(await themeOf(), "light");
  await choose(page, "auto");
  assert.equal(await background(page), dark, "the system's is dark now");
  assert.equal(await themeOf(), "dark");
});

// The addresses of pictures that the page asks for from now on.
function askedPictures(page) {
  const asked = [];
  page.on("request", (request) => {
    if (request.resourceType() === "image" && request.url().includes("/graph?")) asked.push(request.url());
  });
  return asked;
}

test("each minute pictures come anew and the page says when, unless that was switched off", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  await openServer(page, { term: "hour" });
  await pictureOf(page, "loadavg-1");
  const asked = askedPictures(page);
  await page.getByLabel("Options").click();
  const said = await page.locator("#refreshed").innerText();
  assert.match(said, /^Refreshed \d\d:\d\d:\d\d$/);
  const next = page.waitForRequest(/\/graph\?.*at=\d/);
  await page.clock.runFor(61_000);
  await next;
  await page.waitForFunction((said) => document.getElementById("refreshed").innerText !== said, said);
  assert.ok(asked.length > 0);

  await page.getByLabel("Refresh each minute").uncheck();
  await page.reload();
  await page.getByLabel("Options").click();
  assert.equal(await page.getByLabel("Refresh each minute").isChecked(), false);
  const off = await page.locator("#refreshed").innerText();
  await page.clock.runFor(300_000);
  assert.equal(await page.locator("#refreshed").innerText(), off);
});

test("while a graph is dragged over, nothing is refreshed under the pointer", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  await openServer(page, { term: "hour" });
  const picture = await pictureOf(page, "loadavg-1");
  const { x, y, width } = await picture.boundingBox();
  await page.mouse.move(x + width / 2, y + 60);
  await page.mouse.down();
  await page.mouse.move(x + width / 2 + 50, y + 60);
  await page.locator(".selection").waitFor();
  const said = await page.locator("#refreshed").textContent();
  await page.clock.runFor(120_000);
  assert.equal(await page.locator("#refreshed").textContent(), said);
  await page.keyboard.press("Escape");
  await page.clock.runFor(2_000);
  await page.waitForFunction((said) => document.getElementById("refreshed").textContent !== said, said);
  await page.mouse.up();
});

test("graphs of a time in the past are not asked for again", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  const end = Math.floor(Date.now() / 60_000) * 60 - 600;
  await openServer(page, { term: "custom", from: end - 1800, to: end });
  const picture = await pictureOf(page, "loadavg-1");
  const address = await picture.evaluate((image) => image.currentSrc);
  const answered = page.waitForResponse(/api\/host-status/);
  await page.clock.runFor(61_000);
  await answered;
  assert.equal(await picture.evaluate((image) => image.currentSrc), address);
  await page.getByLabel("Options").click();
  assert.match(await page.locator("#refreshed").innerText(), /in the past stay/);
});
