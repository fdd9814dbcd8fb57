// A page of many graphs costs what is seen of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPage, openServer, pictureOf } from "./stage.js";

test("pictures and alt texts are asked for where they come into sight, and no graph has a timer", async (context) => {
  const page = await newPage(context, { viewport: { width: 1280, height: 300 } });
  const asked = { pictures: new Set(), numbers: new Set() };
  page.on("request", (request) => {
    if (!request.url().includes("/graph?")) return;
    asked[request.url().includes("format=json") ? "numbers" : "pictures"].add(request.url());
  });
  await page.addInitScript(() => {
    window.timers = 0;
    const { setInterval } = window;
    window.setInterval = (...all) => {
      window.timers += 1;
      return setInterval(...all);
    };
  });
  await openServer(page, { term: "hour" });
  await pictureOf(page, "loadavg-1");
  const figures = await page.locator("figure").count();
  assert.ok(figures >= 10, `${figures} graphs`);
  assert.ok(asked.pictures.size < figures, `${asked.pictures.size} pictures of ${figures}`);
  assert.ok(asked.numbers.size < figures, `${asked.numbers.size} numbers of ${figures}`);
  assert.equal(await page.evaluate(() => window.timers), 1);
});

test("no more than four alt texts are asked for at a time", async (context) => {
  const page = await newPage(context, { viewport: { width: 1280, height: 4000 } });
  const held = [];
  let all = () => {};
  await page.route(/format=json/, (route) => {
    held.push(route);
    all();
  });
  const next = (count) => new Promise((done) => {
    all = () => held.length >= count && done();
    all();
  });
  await openServer(page, { term: "hour" });
  await next(4);
  // All pictures are there, so that more would be asked for if more might.
  await page.waitForFunction(() =>
    [...document.querySelectorAll("figure img")].filter((image) => image.complete).length > 8);
  await page.evaluate(() => new Promise((done) => requestIdleCallback(() => requestIdleCallback(done))));
  assert.equal(held.length, 4);
  await held[0].continue();
  await next(5);
  assert.equal(held.length, 5);
});
