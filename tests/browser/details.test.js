// A graph alone: its numbers as a table and as files, and what it is made of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { newPage, openServer, pictureOf } from "./stage.js";

const GRAPH = "loadavg-1";

test("a graph alone is large and has its numbers, its files, its definition and its command", async (context) => {
  const page = await newPage(context);
  // A range that stays, whatever time it becomes meanwhile.
  const end = Math.floor(Date.now() / 60_000) * 60;
  await openServer(page, { term: "custom", from: end - 3600, to: end });
  const small = await pictureOf(page, GRAPH);
  const { height } = await small.boundingBox();
  await small.click();
  await page.waitForURL(/\/details\?/, { waitUntil: "load" });
  const large = page.locator("figure img");
  await large.evaluate((image) => image.decode());
  assert.ok((await large.boundingBox()).height > height);

  const files = {};
  for (const name of ["PNG", "SVG", "CSV", "JSON"]) {
    const link = page.locator(".downloads").getByRole("link", { name });
    const answer = await fetch(await link.evaluate(({ href }) => href));
    assert.equal(answer.status, 200, name);
    files[name] = { kind: answer.headers.get("content-type"), body: Buffer.from(await answer.arrayBuffer()) };
  }
  assert.equal(files.PNG.kind, "image/png");
  assert.equal(files.SVG.kind, "image/svg+xml");
  const { series } = JSON.parse(files.JSON.body);
  const [heading, ...rows] = files.CSV.body.toString().trim().split("\r\n");
  const names = series.map(({ name }) => name);
  assert.deepEqual(heading.split(",").slice(2), names);
  assert.ok(rows.length >= 60, `${rows.length} rows`);

  const table = page.locator("table.numbers");
  assert.deepEqual(await table.locator("thead th").allInnerTexts(), ["Series", "Last", "Average", "Min", "Max"]);
  assert.deepEqual(await table.locator("tbody th").allInnerTexts(), names);
  const first = await table.locator("tbody tr").first().locator("td").allInnerTexts();
  assert.equal(Number(first[0]), Number(series[0].last.toFixed(2)));
  assert.equal(Number(first[3]), Number(series[0].max.toFixed(2)));

  await page.getByText("Definition", { exact: true }).click();
  await page.getByText(/^AREA:|\nAREA:/).first().waitFor();
  await page.getByText("The rrdtool command that draws it").click();
  await page.getByText(/rrdtool graph/).first().waitFor();
});
