// Every page against the rules of WCAG 2 A and AA, in light and in dark.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { DESKTOP, PHONE, addressOfHost, newPage, open, openServer, pictureOf } from "./stage.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const PAGES = {
  list: (page) => open(page),
  "list with options and a chip": async (page) => {
    await open(page);
    await page.locator(".chips button").first().click();
    await page.getByLabel("Options").click();
  },
  help: async (page) => {
    await open(page);
    await page.keyboard.press("?");
  },
  server: async (page) => {
    await openServer(page);
    await pictureOf(page, "loadavg-1");
  },
  servers: async (page) => {
    const address = await addressOfHost();
    await open(page, `servers?address=${address}&address=127.0.0.1`);
  },
  details: async (page) => {
    await openServer(page, { term: "hour" });
    await (await pictureOf(page, "loadavg-1")).click();
    await page.waitForURL(/\/details\?/, { waitUntil: "load" });
  },
  error: (page) => open(page, "server?address=nobody"),
};

// Layout and colours are apart: each layout once, and each theme once.
const SCREENS = { "desktop, dark": { ...DESKTOP, colorScheme: "dark" }, "phone, light": { ...PHONE, colorScheme: "light" } };

for (const [screen, options] of Object.entries(SCREENS)) {
  for (const [name, visit] of Object.entries(PAGES)) {
    test(`no rule is broken by: ${name}, ${screen}`, async (context) => {
      const page = await newPage(context, options);
      await visit(page);
      // By the debugger, which the page's own policy does not bind.
      await page.evaluate(axe);
      const broken = await page.evaluate(async () => {
        const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
        const { violations } = await window.axe.run(document, { runOnly });
        return violations.flatMap(({ id, help, nodes }) =>
          nodes.map((node) => `${id}: ${help}: ${node.html} ${node.any.map((one) => one.message)}`));
      });
      assert.deepEqual(broken, []);
    });
  }
}
