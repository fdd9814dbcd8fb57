// What can be done with the list of hosts, and what the browser remembers of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { DESKTOP, PHONE, fitsTheScreen, newPage, open, openServer, rowOfHost, shoot } from "./stage.js";

const checked = (page) => page.locator(".hosts input:checked");
const boxes = (page) => page.locator(".hosts input");

test("a click with Shift checks all hosts between two, and from two on they can be opened", async (context) => {
  const page = await newPage(context);
  await open(page);
  const openChecked = page.getByRole("button", { name: "Open checked" });
  const uncheckAll = page.getByRole("button", { name: "Uncheck all" });
  assert.ok(await openChecked.isDisabled());
  await boxes(page).first().click();
  assert.ok(await openChecked.isDisabled(), "one host has a page of its own");
  await boxes(page).nth(2).click({ modifiers: ["Shift"] });
  assert.equal(await checked(page).count(), 3);
  assert.ok(await openChecked.isEnabled());
  await shoot(page, "list-checked", {});
  await uncheckAll.click();
  assert.equal(await checked(page).count(), 0);
  await page.locator(".opening button:disabled").nth(1).waitFor();
  await boxes(page).nth(2).click();
  await boxes(page).nth(1).click({ modifiers: ["Shift"] });
  const addresses = await checked(page).evaluateAll((inputs) => inputs.map((input) => input.value));
  await openChecked.click();
  await page.waitForURL(/\/servers\?/);
  assert.deepEqual(new URL(page.url()).searchParams.getAll("address"), addresses);
  assert.equal(await page.locator(".column").count(), 2);
});

test("what the filter hides is not checked with what lies around it", async (context) => {
  const page = await newPage(context);
  await open(page);
  const names = await page.locator(".hosts a").allInnerTexts();
  const shops = names.filter((name) => name.startsWith("shop-"));
  assert.ok(names.length > shops.length && shops.length > 1, String(names));
  await page.getByRole("searchbox").fill("shop-");
  const shown = page.locator(".hosts li:visible input");
  await shown.first().click();
  await shown.last().click({ modifiers: ["Shift"] });
  assert.equal(await checked(page).count(), shops.length);
});

test("hosts open in a new window where that was chosen, which is remembered", async (context) => {
  const page = await newPage(context);
  await open(page);
  await page.getByLabel("Open in new window").check();
  await page.reload();
  assert.ok(await page.getByLabel("Open in new window").isChecked());
  const [popup] = await Promise.all([page.waitForEvent("popup"), rowOfHost(page).getByRole("link").click()]);
  await popup.waitForURL(/\/server\?address=/);
  await boxes(page).first().click();
  await boxes(page).nth(1).click();
  const [both] = await Promise.all([
    page.waitForEvent("popup"),
    page.getByRole("button", { name: "Open checked" }).click(),
  ]);
  await both.waitForURL(/\/servers\?/);
});

// Answers for the server: each host is as `statuses` says by its place in the list.
async function tellStatuses(page, statuses) {
  const addresses = await page.locator(".hosts li").evaluateAll((rows) => rows.map((row) => row.dataset.address));
  const told = Object.fromEntries(addresses.map((address, at) => [address, statuses[at] ?? 0]));
  await page.route("**/api/host-status", (route) => route.fulfill({ json: told }));
  const service = await page.locator("[data-service]").first().getAttribute("data-service");
  const [warning, critical] = [1, 2].map((asked) => Object.values(told).filter((status) => status === asked).length);
  await page.route("**/api/service-status", (route) =>
    route.fulfill({ json: { [service]: { ok: 0, warning, critical, unknown: 0 } } }));
}

test("a minute later statuses are others without a reload, and problems come first on wish", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  await open(page);
  const names = () => page.locator(".hosts li:visible a").allInnerTexts();
  const configured = await names();
  assert.ok(configured.length >= 4, String(configured));
  await tellStatuses(page, [0, 0, 1, 2]);
  await page.clock.runFor(61_000);
  const chip = (status) => page.locator(`.chips [data-status=${status}]`);
  await chip("critical").getByText("1", { exact: true }).waitFor();
  assert.equal(await chip("warning").locator("b").innerText(), "1");
  assert.equal(await chip("ok").locator("b").innerText(), String(configured.length - 2));
  const service = page.locator("[data-service]").first();
  await service.locator(".problems .critical").getByText("1", { exact: true }).waitFor();

  await page.getByLabel("Problems first").check();
  const sorted = await names();
  assert.deepEqual(sorted.slice(0, 2), [configured[3], configured[2]]);
  await chip("critical").click();
  assert.deepEqual(await names(), [configured[3]]);
  // What is down meanwhile is seen at once; what nobody knows of stays.
  await tellStatuses(page, [2, 3, 2, 2]);
  await page.clock.runFor(61_000);
  await chip("critical").getByText("3", { exact: true }).waitFor();
  assert.equal((await names()).length, 4);
  await chip("critical").click();
  await page.getByLabel("Problems first").uncheck();
  assert.deepEqual(await names(), configured);
});

test("in the sidebar a warning is not taken for a host that is down: by colour, title and name", async (context) => {
  const page = await newPage(context);
  await page.clock.install();
  await open(page);
  await tellStatuses(page, [1, 1, 2]);
  await page.clock.runFor(61_000);
  const service = page.locator("[data-service]").first();
  const [down, warned] = [service.getByTitle("Critical"), service.getByTitle("Warning")];
  await down.getByText("1", { exact: true }).waitFor();
  assert.equal(await warned.locator("b").innerText(), "2");
  const background = (badge) => badge.evaluate((element) => getComputedStyle(element).backgroundColor);
  assert.notEqual(await background(down), await background(warned));
  const total = await page.locator("[data-service] .count").first().innerText();
  const names = (await service.textContent()).replace(/\s+/g, " ");
  assert.match(names, new RegExp(`Critical: 1 ?Warning: 2 ?Hosts: ${total.match(/\d+/)[0]}`));

  await tellStatuses(page, [1]);
  await page.clock.runFor(61_000);
  await warned.getByText("1", { exact: true }).waitFor();
  assert.equal(await down.isVisible(), false);
});

test("the header is small where that was chosen, which is remembered", async (context) => {
  const page = await newPage(context);
  await openServer(page);
  const height = () => page.locator(".bar").evaluate((bar) => bar.getBoundingClientRect().height);
  const before = await height();
  await page.getByLabel("Options").click();
  await page.getByLabel("Small header").check();
  const small = await height();
  assert.ok(small < before, `${small}, before ${before}`);
  await page.reload();
  assert.equal(await height(), small);
  assert.equal(await page.locator(".custom").isVisible(), false);
});

test("where the browser forbids to remember, all else works", async (context) => {
  const page = await newPage(context);
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException("forbidden", "SecurityError");
        },
      });
    }
  });
  await open(page);
  await page.getByLabel("Options").click();
  await page.getByLabel("Small header").check();
  assert.equal(await page.locator("html").getAttribute("data-header"), "small");
  await page.getByRole("searchbox").fill("no host is called so");
  assert.ok(await page.getByText("No host matches.").isVisible());
  assert.deepEqual(faults, []);
});

test("the address of a host can be copied", async (context) => {
  const page = await newPage(context);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await openServer(page);
  const address = await page.locator(".host .address").innerText();
  await page.getByRole("button", { name: `Copy ${address}` }).click();
  await page.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), address);
});

test("without scripts there is nothing that does nothing, and hosts can be checked and opened", async (context) => {
  const page = await newPage(context, { ...DESKTOP, javaScriptEnabled: false });
  await open(page);
  assert.equal(await page.locator(".needs-scripts:visible").count(), 0);
  await boxes(page).first().click();
  await boxes(page).nth(1).click();
  await page.getByRole("button", { name: "Open checked" }).click();
  await page.waitForURL(/\/servers\?/);
  assert.equal(await page.locator(".column").count(), 2);
  await page.getByRole("link", { name: "Zoom out" }).click();
  await page.waitForURL(/term=custom/);
  assert.equal(await page.locator(".column").count(), 2);
});

test("on a phone hosts can be checked and opened", async (context) => {
  const page = await newPage(context, PHONE);
  await open(page);
  await boxes(page).first().tap();
  await boxes(page).nth(1).tap();
  await fitsTheScreen(page);
  await page.getByRole("button", { name: "Open checked" }).tap();
  await page.waitForURL(/\/servers\?/);
  await fitsTheScreen(page);
});
