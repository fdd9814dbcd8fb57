// Every link and every form that leads somewhere leads to something, and no page has anything wrong
// that a browser could tell.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitsTheScreen, newPage, url, watchForFaults } from "./stage.js";

// Pages of one kind differ in their parameters' values alone; of so many of each it is asked whether
// they are there.
const ASKED_OF_A_KIND = 4;

function kindOf(address) {
  const { pathname, searchParams } = new URL(address);
  return { path: pathname, names: [...new Set(searchParams.keys())].sort() };
}

// Where the page's links and forms lead.
function findWays() {
  const links = [...document.querySelectorAll("a[href]")].map((link) => link.href);
  const forms = [...document.forms].filter((form) => form.method === "get");
  const boxesOf = (form) => [...form.elements].filter(({ type, name }) => type === "checkbox" && name);
  // What can be sent only with something chosen is sent so.
  const usable = forms.filter((form) => !form.querySelector("button:disabled") || boxesOf(form).length > 1);
  const sent = usable.map((form) => {
    for (const box of boxesOf(form).slice(0, 2)) box.checked = true;
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form));
    return address.href;
  });
  return links.concat(sent);
}

function findDoubles() {
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  const doubles = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `id ${id} stands there twice`);
  const anchors = [...document.querySelectorAll("a[href^='#']")]
    .filter((link) => !document.getElementById(link.hash.slice(1)))
    .map((link) => `${link.hash} leads nowhere`);
  return doubles.concat(anchors);
}

// Pictures in sight have come, so that their faults are known.
function picturesHaveCome() {
  return [...document.querySelectorAll("figure img")]
    .filter((image) => {
      const { bottom, top } = image.getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    })
    .every((image) => image.complete && image.naturalWidth > 0);
}

// Everything that the browser has to say against the pages that it opens.
function watchClosely(page) {
  const faults = watchForFaults(page);
  page.on("console", (message) => {
    if (message.type() === "warning") faults.push(`warning: ${message.text()}`);
  });
  page.on("requestfailed", (request) => {
    const { errorText } = request.failure();
    // What goes with its page did not fail.
    if (errorText !== "net::ERR_ABORTED") faults.push(`${errorText}: ${request.url()}`);
  });
  return faults;
}

async function visit(page, address, faults) {
  const before = faults.length;
  const answer = await page.goto(address, { waitUntil: "load" });
  assert.ok(answer.status() < 400, `${answer.status()} ${address}`);
  const policy = answer.headers()["content-security-policy"] ?? "";
  assert.match(policy, /default-src 'none'/, address);
  assert.doesNotMatch(policy, /unsafe/, address);
  await page.waitForFunction(picturesHaveCome);
  assert.match(await page.title(), /Kurado$/, address);
  assert.ok(await page.locator("html").getAttribute("lang"), `${address} has no language`);
  assert.deepEqual(await page.evaluate(findDoubles), [], address);
  assert.deepEqual(faults.slice(before), [], address);
}

test("every link and form of every page leads to a page without a fault, at each width and in each theme", async (context) => {
  const page = await newPage(context, { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  const faults = watchClosely(page);
  const start = new URL("./", url).href;
  const seen = new Set([start]);
  const counts = new Map();
  // Of each page one with each of its parameters is opened.
  const known = new Set();
  const waiting = [start];
  const opened = [];
  const brokenFrom = [];
  while (waiting.length > 0) {
    const address = waiting.shift();
    await visit(page, address, faults);
    opened.push(address);
    await page.setViewportSize({ width: 360, height: 800 });
    await fitsTheScreen(page);
    await page.setViewportSize({ width: 1280, height: 900 });
    for (const way of await page.evaluate(findWays)) {
      const next = way.split("#")[0];
      assert.equal(new URL(next).origin, new URL(url).origin, `${address} leads to ${next}`);
      if (seen.has(next)) continue;
      seen.add(next);
      const { path, names } = kindOf(next);
      const kind = [path, ...names].join(" ");
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      if (count > ASKED_OF_A_KIND) continue;
      const answer = await fetch(next, { headers: { accept: "text/html" } });
      await answer.arrayBuffer();
      if (answer.status >= 400) brokenFrom.push(`${answer.status} ${next} on ${address}`);
      const isPage = answer.headers.get("content-type").startsWith("text/html");
      const news = ["", ...names].map((name) => `${path} ${name}`).filter((one) => !known.has(one));
      if (answer.status >= 400 || !isPage || news.length === 0) continue;
      for (const one of news) known.add(one);
      waiting.push(next);
    }
  }
  assert.deepEqual(brokenFrom, []);
  const paths = new Set(opened.map((address) => new URL(address).pathname));
  for (const path of ["./", "server", "servers", "details", "pipeline"]) {
    assert.ok(paths.has(new URL(path, url).pathname), `nothing leads to ${path}: ${[...paths]}`);
  }

  // In the other theme each page once, on a narrow phone from the begin.
  const phone = await newPage(context, {
    viewport: { width: 360, height: 800 },
    isMobile: true,
    hasTouch: true,
    colorScheme: "dark",
  });
  const phoneFaults = watchClosely(phone);
  for (const path of paths) {
    await visit(phone, opened.find((address) => new URL(address).pathname === path), phoneFaults);
    await fitsTheScreen(phone);
  }
});
