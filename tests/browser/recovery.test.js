// What breaks is told on the pages that are open, and they come back by themselves.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HOST, eventually, startServers } from "./servers.js";
import { newPage } from "./stage.js";

let servers;
// Of the newest point; it is behind the clock, so that there is always a later one to push.
let newest;

before(async () => {
  servers = await startServers();
  newest = Math.floor(Date.now() / 60_000) * 60 - 1800;
  for (let minute = -30; minute < 0; minute += 1) pushMinute(newest + 60 * minute);
  await eventually("the web is ready", isReady);
});

after(() => servers?.stop());

function pushMinute(time) {
  const gauges = ["loadavg-1", "processors", "tcp-established", "memory-used", "memory-free"];
  servers.push(gauges.map((name) => `${HOST}\tbase.metrics.${name}.gauge\t${2 + ((time / 60) % 5)}\t${time}`));
}

// What makes pictures others than those that are kept, as soon as the web knows of it: it holds for a
// moment what Redis said of a host.
async function pushOneMore() {
  newest += 60;
  pushMinute(newest);
  const numbers = new URL(`graph?address=${HOST}&plugin_identifier=base&graph=loadavg-1&term=hour&format=csv`, servers.url);
  await eventually("the web knows of the point", async () => {
    const answer = await fetch(numbers);
    return new RegExp(`,${newest},\\d`).test(await answer.text());
  });
}

const isReady = () => fetch(new URL("readyz", servers.url)).then((answer) => answer.ok, () => false);

// A page whose clock can be put on. A mark stays on it as long as it is not loaded anew.
async function openPage(context, path) {
  const page = await newPage(context);
  page.setDefaultTimeout(60_000);
  await page.clock.install();
  await page.goto(new URL(path, servers.url).href, { waitUntil: "load" });
  await page.evaluate(() => {
    window.isAsItWasOpened = true;
  });
  return page;
}

const openList = (context) => openPage(context, "");
const openGraphs = (context) => openPage(context, `server?address=${HOST}&term=hour`);

async function staysOpen(page) {
  assert.ok(await page.evaluate(() => window.isAsItWasOpened), "it was loaded anew");
}

const minuteLater = (page) => page.clock.runFor(61_000);
// While there is trouble pages look each five seconds.
const momentLater = (page) => page.clock.runFor(6_000);

const markOf = (page) => page.locator(`[data-address="${HOST}"] .mark`);
const isMarked = (page, status) => page.locator(`[data-address="${HOST}"] .mark.${status}`).waitFor();

// Every picture has come, later than `address`, and none says that it could not.
async function picturesShow(page, addressBefore) {
  await page.waitForFunction((before) => {
    const images = [...document.querySelectorAll("figure img")].filter((image) => {
      const { bottom, top } = image.closest("figure").getBoundingClientRect();
      return bottom > 0 && top < innerHeight;
    });
    return images.length > 1 && !document.querySelector("figure .no-data") &&
      images.every((image) => !image.hidden && image.complete && image.naturalWidth > 0) &&
      images[0].currentSrc !== before;
  }, addressBefore);
}

const addressOfFirst = (page) => page.locator("figure img").first().evaluate((image) => image.currentSrc);

// The render workers, once all have begun.
async function workers() {
  return eventually("render workers", () => {
    const { children } = servers.web;
    return children.length > 0 && children;
  });
}

// Has the page ask for pictures that must be drawn, and holds the workers at them.
async function askOfStoppedWorkers(page, stopped) {
  await pushOneMore();
  for (const worker of stopped) process.kill(worker, "SIGSTOP");
  const asked = page.waitForRequest(/\/graph\?.*&at=\d/);
  await minuteLater(page);
  await asked;
}

for (const [which, some] of [["one of the", (all) => all.slice(0, 1)], ["all", (all) => all]]) {
  test(`${which} render workers killed at their pictures: pictures come without a reload`, async (context) => {
    const page = await openGraphs(context);
    await picturesShow(page, "");
    const before = await addressOfFirst(page);
    const killed = some(await workers());
    await askOfStoppedWorkers(page, killed);
    for (const worker of killed) process.kill(worker, "SIGKILL");
    await picturesShow(page, before);
    await staysOpen(page);
    const now = await eventually("other workers", () => {
      const { children } = servers.web;
      return children.length > 0 && !children.some((one) => killed.includes(one)) && children;
    });
    assert.ok(now.length > 0);
  });
}

test("a render worker that hangs is given up at its time limit and replaced, and pictures come", async (context) => {
  const page = await openGraphs(context);
  await picturesShow(page, "");
  const before = await addressOfFirst(page);
  const reasons = [];
  page.on("response", (answer) => {
    if (answer.status() === 500) reasons.push(answer.text());
  });
  const hanging = await workers();
  await askOfStoppedWorkers(page, hanging);
  await picturesShow(page, before);
  await staysOpen(page);
  assert.ok(servers.web.children.every((worker) => !hanging.includes(worker)), "they were replaced");
  const told = await Promise.all(reasons);
  assert.ok(told.some((reason) => reason.includes("took longer than")), String(told));
});

test("a graph that can't be drawn says why in its place, others are drawn, and it comes when it can be", async (context) => {
  const page = await openGraphs(context);
  await picturesShow(page, "");
  const [, directory] = servers.cli(["INFO", "kurado"]).match(/kurado_data_dir:(.*?)\r?\n/);
  const file = join(directory, HOST, "base/tcp-established.gauge.rrd");
  const whole = readFileSync(file);
  writeFileSync(file, "RRD\0 and nothing more");
  const figure = (name) => page.locator(`figure:has(a[href*="graph=${name}&"])`);
  const reason = figure("tcp-established").locator(".no-data");
  // The web holds for a moment what it knew of the file.
  await eventually("the reason", async () => {
    await minuteLater(page);
    return reason.isVisible();
  });
  assert.match(await reason.innerText(), /^TCP Established.*: .{10}/);
  assert.equal(await figure("tcp-established").locator("img").isVisible(), false);
  assert.ok(await figure("loadavg-1").locator("img").evaluate((image) => image.complete && image.naturalWidth > 0));

  writeFileSync(file, whole);
  await minuteLater(page);
  await picturesShow(page, "");
  await staysOpen(page);
});

test("while Redis is away open and fresh pages say so and show what is on the disk; then all is as before", async (context) => {
  const list = await openList(context);
  const graphs = await openGraphs(context);
  await isMarked(list, "ok");
  await picturesShow(graphs, "");
  const before = await addressOfFirst(graphs);
  const notice = (page) => page.getByText("Statuses are unknown, and what is shown may be old or incomplete.");

  await servers.redis.stop();
  for (const page of [list, graphs]) {
    await minuteLater(page);
    await notice(page).waitFor();
    await isMarked(page, "unknown");
  }
  await picturesShow(graphs, before);
  const picture = await fetch(await addressOfFirst(graphs));
  assert.equal(picture.status, 200);
  assert.match(picture.headers.get("kurado-notice"), /^not flushed: Redis at /);

  const fresh = await newPage(context);
  const answer = await fresh.goto(new URL(`server?address=${HOST}&term=4hours`, servers.url).href);
  assert.equal(answer.status(), 200);
  await notice(fresh).waitFor();
  await picturesShow(fresh, "");
  assert.equal((await fetch(new URL(`api/host-status?address=${HOST}`, servers.url))).status, 503);
  assert.equal((await fetch(new URL("readyz", servers.url))).status, 503);

  const away = await addressOfFirst(graphs);
  await servers.redis.start();
  await eventually("the web is ready", isReady);
  for (const page of [list, graphs]) {
    await minuteLater(page);
    await notice(page).waitFor({ state: "detached" });
    await isMarked(page, "ok");
    await staysOpen(page);
  }
  await picturesShow(graphs, away);
});

test("a poller that is killed is missed on open pages and on the pipeline, until one fetches again", async (context) => {
  await servers.poller.start();
  const list = await openList(context);
  const pipeline = await openPage(context, "pipeline");
  const lease = pipeline.locator("dt", { hasText: "Poller's lease" }).locator("xpath=following-sibling::dd");
  // The web holds for a moment what it knew of the lease, so a page may have to look twice.
  const held = () =>
    eventually("the lease of the poller", async () => {
      await minuteLater(pipeline);
      return lease.getByText(`, process ${servers.poller.id}`).isVisible();
    });
  await held();
  const { id } = servers.poller;
  await servers.poller.stop("SIGKILL");
  // As half a minute does.
  servers.cli(["PEXPIRE", "kurado-poller", "1"]);
  await eventually("the end of the lease", () => servers.cli(["EXISTS", "kurado-poller"]) === "0\n");
  const notice = (page) => page.getByText("No poller fetches now");
  for (const page of [list, pipeline]) {
    await eventually("the notice", async () => {
      await minuteLater(page);
      return notice(page).isVisible();
    });
  }
  await lease.getByText("free; before").waitFor();
  assert.match(await notice(list).innerText(), new RegExp(`start kurado-poller.*process ${id}`));

  await servers.poller.start();
  for (const page of [list, pipeline]) {
    await eventually("the end of the notice", async () => {
      await momentLater(page);
      return !(await notice(page).isVisible());
    });
    await staysOpen(page);
  }
  await held();
  await servers.poller.stop();
});

test("while the web is away open pages say so and keep their pictures; then all is as before", async (context) => {
  const list = await openList(context);
  const graphs = await openGraphs(context);
  await isMarked(list, "ok");
  await picturesShow(graphs, "");
  const before = await addressOfFirst(graphs);
  const notice = (page) => page.getByText("kurado-web does not answer");
  await servers.web.stop();
  for (const page of [list, graphs]) {
    assert.equal(await notice(page).isVisible(), false);
    await minuteLater(page);
    await notice(page).waitFor();
    await isMarked(page, "unknown");
  }
  await picturesShow(graphs, "");
  assert.equal(await addressOfFirst(graphs), before);

  await servers.web.start();
  await eventually("the web is ready", isReady);
  for (const page of [list, graphs]) {
    await momentLater(page);
    await notice(page).waitFor({ state: "hidden" });
    await isMarked(page, "ok");
    await staysOpen(page);
  }
  await picturesShow(graphs, before);
});

test("a web that hangs is told of as one that is gone", async (context) => {
  const list = await openList(context);
  await isMarked(list, "ok");
  const notice = list.getByText("kurado-web does not answer");
  process.kill(servers.web.id, "SIGSTOP");
  try {
    await minuteLater(list);
    await notice.waitFor();
  } finally {
    process.kill(servers.web.id, "SIGCONT");
  }
  await momentLater(list);
  await notice.waitFor({ state: "hidden" });
  await isMarked(list, "ok");
  await staysOpen(list);
});
