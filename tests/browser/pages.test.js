// Opens the list in Chromium, clicks a host and looks at its graphs, at the width of a desk and of a
// phone, in light and in dark.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DESKTOP, PHONE, fitsTheScreen, newPage, open, rowOfHost, shoot as keep, url, watchForFaults } from "./stage.js";

const SCREENS = [
  { name: "desktop", ...DESKTOP },
  { name: "phone", ...PHONE },
];
const SCHEMES = ["light", "dark"];

for (const { name: screen, ...options } of SCREENS) {
  for (const colorScheme of SCHEMES) {
    test(`the list, a host and its graphs: ${screen}, ${colorScheme}`, async (context) => {
      const page = await newPage(context, { ...options, colorScheme });
      const faults = watchForFaults(page);
      await page.addInitScript(measureShifts);
      const shoot = (what) => keep(page, `${what}-${screen}-${colorScheme}`);

      await open(page);
      await theListCanBeFiltered(page);
      await fitsTheScreen(page);
      await shoot("list");

      await rowOfHost(page).getByRole("link").click();
      await page.waitForURL(/\/server\?address=/);
      await everyGraphShows(page, colorScheme);
      await fitsTheScreen(page);
      const shifted = await page.evaluate(() => window.shifted);
      assert.ok(shifted < 0.01, `the page moved while it loaded: ${shifted}`);
      await shoot("server");

      await anotherPeriodAndOnePluginCanBeChosen(page);
      await fitsTheScreen(page);
      await shoot("4hours");

      await open(page);
      await hostsStandSideBySide(page);
      await fitsTheScreen(page);
      await shoot("servers");
      assert.deepEqual(faults, []);
    });

    test(`an error is a page like the others: ${screen}, ${colorScheme}`, async (context) => {
      const page = await newPage(context, { ...options, colorScheme });
      const nobody = "nobody-".repeat(12);
      const answer = await page.goto(new URL(`server?address=${nobody}`, url).href);
      assert.equal(answer.status(), 404);
      assert.ok(await page.getByRole("heading", { name: "Not Found" }).isVisible());
      assert.ok(await page.getByText(`address '${nobody}'`).isVisible());
      await fitsTheScreen(page);
      await keep(page, `error-${screen}-${colorScheme}`);
      await page.getByRole("link", { name: "All services" }).click();
      await page.waitForSelector(".hosts li");
    });
  }
}

async function theListCanBeFiltered(page) {
  const hosts = page.locator(".hosts li");
  const count = await hosts.count();
  assert.ok(count > 0, "the list has no host");
  const name = await hosts.first().locator("a").innerText();
  const shown = page.locator(".hosts li:visible");
  const filter = page.getByRole("searchbox");
  await filter.fill("no host is called so");
  assert.equal(await shown.count(), 0);
  assert.ok(await page.getByText("No host matches.").isVisible());
  await filter.fill(name.toUpperCase());
  assert.ok(await hosts.first().isVisible());
  await filter.fill("");
  assert.equal(await shown.count(), count);
}

async function everyGraphShows(page, colorScheme) {
  const pictures = page.locator("figure img");
  const count = await pictures.count();
  assert.ok(count > 0, `${page.url()} shows no graph`);
  let pixelsOfData = 0;
  for (let at = 0; at < count; at += 1) {
    await pictures.nth(at).scrollIntoViewIfNeeded();
    const seen = await pictures.nth(at).evaluate(look);
    assert.ok(seen.width > 0, `did not load: ${seen.address}`);
    assert.ok(seen.colors > 8, `${seen.colors} colours, so it is blank: ${seen.address}`);
    assert.ok(seen.alt.length > 10, `no alt text: ${seen.address}`);
    assert.equal(new URL(seen.address).searchParams.get("theme") ?? "light", colorScheme);
    assert.deepEqual([seen.width, seen.height], seen.kept, `another size: ${seen.address}`);
    pixelsOfData += seen.pixelsOfData;
  }
  assert.ok(pixelsOfData > 100, `${count} graphs, and none shows data`);
  await page.evaluate(() => window.scrollTo(0, 0));
}

async function anotherPeriodAndOnePluginCanBeChosen(page) {
  const periods = page.getByRole("navigation", { name: "Period" });
  await periods.getByRole("link", { name: "4 hours" }).click();
  await page.waitForURL(/term=4hours/);
  assert.equal(await periods.locator("[aria-current]").innerText(), "4 hours");
  const plugins = page.getByRole("navigation", { name: "Plugins" });
  await plugins.getByRole("link").nth(1).click();
  await page.waitForURL(/plugin_identifier=/);
  assert.match(page.url(), /term=4hours/);
  assert.equal(await page.locator(".plugin").count(), 1);
  const picture = await page.locator("figure img").first().evaluate(look);
  assert.ok(picture.width > 0, `did not load: ${picture.address}`);
}

async function hostsStandSideBySide(page) {
  const addresses = await page
    .locator(".hosts li")
    .evaluateAll((rows) => rows.map((row) => row.dataset.address));
  const query = new URLSearchParams(addresses.map((address) => ["address", address]));
  await page.goto(new URL(`servers?${query}`, url).href);
  const columns = page.locator(".column");
  assert.equal(await columns.count(), addresses.length);
  for (let at = 0; at < addresses.length; at += 1) {
    assert.equal(await columns.nth(at).locator(".address").innerText(), addresses[at]);
  }
  const picture = page.locator("figure img").first();
  assert.ok((await picture.evaluate(look)).width > 0, "the first picture did not load");
}

// Runs in the page before its own scripts.
function measureShifts() {
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifted += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
}

// Runs in the page: waits for a picture and looks at its pixels.
async function look(image) {
  if (!image.complete) {
    await new Promise((done) => {
      image.addEventListener("load", done, { once: true });
      image.addEventListener("error", done, { once: true });
    });
  }
  const seen = {
    address: image.currentSrc,
    alt: image.alt,
    width: 0,
    height: 0,
    // What the page kept for it before it came: the attributes of the source that was chosen.
    kept: [0, 0],
    colors: 0,
    // Pixels with a hue above the legend: lines and areas.
    pixelsOfData: 0,
  };
  if (image.naturalWidth === 0) return seen;
  const chosen = [...image.closest("picture").querySelectorAll("source")].find(
    (source) => matchMedia(source.media).matches,
  );
  const keeper = chosen ?? image;
  seen.kept = [Number(keeper.getAttribute("width")), Number(keeper.getAttribute("height"))];
  seen.width = image.naturalWidth;
  seen.height = image.naturalHeight;
  const canvas = new OffscreenCanvas(seen.width, seen.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, seen.width, seen.height);
  const colors = new Set();
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue] = [data[at], data[at + 1], data[at + 2]];
    colors.add((red << 16) | (green << 8) | blue);
    const row = Math.floor(at / 4 / seen.width);
    const hue = Math.max(red, green, blue) - Math.min(red, green, blue);
    if (hue > 40 && row > 28 && row < 128) seen.pixelsOfData += 1;
  }
  seen.colors = colors.size;
  return seen;
}
