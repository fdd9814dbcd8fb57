// What all tests here start from: one Chromium a file, a running kurado-web, and pages at the width
// of a desk and of a phone.
//
//   KURADO_URL          a running kurado-web
//   KURADO_HOST         the name of a host with an hour of data or so; the first where it is not set
//   KURADO_NEWEST       the time of its newest point in seconds since 1970, and
//   KURADO_LOAD         its loadavg-1 sixty minutes before; each minute m after that it was pushed
//                       m % 7 higher. Where they are not set, what was pushed is not known
//   KURADO_SCREENSHOTS  a directory for screenshots; none are kept where it is not set
//   CHROMIUM            the browser, if not /usr/bin/chromium
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";

export const url = process.env.KURADO_URL;
export const host = process.env.KURADO_HOST;
const screenshots = process.env.KURADO_SCREENSHOTS;
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const DESKTOP = { viewport: { width: 1280, height: 900 } };
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

let browser;

before(async () => {
  assert.ok(url, "KURADO_URL is not set; it must name a running kurado-web");
  assert.ok(existsSync(executablePath), `there is no Chromium at ${executablePath}`);
  let playwright;
  try {
    playwright = await import("playwright-core");
  } catch (error) {
    throw new Error("playwright-core is not installed: run npm ci here", { cause: error });
  }
  if (screenshots) mkdirSync(screenshots, { recursive: true });
  browser = await playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(() => browser?.close());

// A page of its own, without what others remembered; it goes with the test.
export async function newPage(context, options = DESKTOP) {
  const window_ = await browser.newContext(options);
  context.after(() => window_.close());
  const page = await window_.newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

// Whether scripts have set themselves up: their modules have run when the page has loaded.
export async function open(page, path = "") {
  await page.goto(new URL(path, url).href, { waitUntil: "load" });
}

export async function shoot(page, name, options = { fullPage: true }) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
}

// The list's row of the host that has data.
export function rowOfHost(page) {
  const rows = page.locator(".hosts li");
  return host ? rows.filter({ has: page.getByText(host, { exact: true }) }).first() : rows.first();
}

export async function addressOfHost() {
  const lines = (await (await fetch(new URL("api/servers", url))).text()).trim().split("\n");
  const hosts = lines.map((line) => line.split(" "));
  return (hosts.find(([, name]) => name === host) ?? hosts[0])[0];
}

// The page of the host that has data.
export async function openServer(page, parameters = {}) {
  const address = await addressOfHost();
  await open(page, `server?${new URLSearchParams({ address, ...parameters })}`);
}

// The picture of a graph, loaded and in sight.
export async function pictureOf(page, graph) {
  const picture = page.locator(`figure:has(a[href*="graph=${graph}&"], a[href$="graph=${graph}"]) img`).first();
  await picture.evaluate((image) => image.scrollIntoView({ block: "center" }));
  await picture.evaluate(async (image) => {
    while (!(image.complete && image.naturalWidth > 0)) {
      await new Promise((done) => image.addEventListener("load", done, { once: true }));
    }
  });
  return picture;
}

// The numbers of a picture and where its values stand in the window.
export async function canvasOf(picture) {
  const found = await picture.evaluate(async (image) => {
    const numbers = await (await fetch(image.currentSrc.replace("&format=svg", "&format=json&picture=svg"))).json();
    const shown = image.getBoundingClientRect();
    const { canvas } = numbers;
    // What the page kept for the picture that was chosen, before its scripts did anything; it may be
    // shown smaller.
    const sources = [...image.closest("picture").querySelectorAll("source")];
    const keeper = sources.find((source) => matchMedia(source.media).matches) ?? image;
    const factor = shown.width / Number(keeper.getAttribute("width"));
    return {
      numbers,
      drawn: canvas.width,
      asked: Number(new URL(image.currentSrc).searchParams.get("width")),
      left: shown.left + canvas.left * factor,
      top: shown.top + canvas.top * factor,
      width: canvas.width * factor,
      height: canvas.height * factor,
    };
  });
  assert.equal(found.drawn, found.asked, "the canvas is as wide as was asked for");
  return found;
}

export async function fitsTheScreen(page) {
  const [needed, there] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  assert.ok(needed <= there, `${page.url()} is ${needed} pixels wide on ${there}`);
}

// The list that is returned fills up while the pages are used.
export function watchForFaults(page) {
  const faults = [];
  const origin = new URL(url).origin;
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error}`));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`asked ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`${response.status()} ${response.url()}`);
  });
  return faults;
}
