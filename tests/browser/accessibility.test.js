// Every page against the rules of WCAG 2 A and AA, in light and in dark.
import assert from "node:assert/strict";
import { test } from "node:test";
import { broken } from "./axe.js";
import { DESKTOP, PHONE, addressOfHost, newPage, open, openServer, pictureOf } from "./stage.js";

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
  pipeline: (page) => open(page, "pipeline"),
  error: (page) => open(page, "server?address=nobody"),
};

// Layout and colours are apart: each layout once, and each theme once.
const SCREENS = { "desktop, dark": { ...DESKTOP, colorScheme: "dark" }, "phone, light": { ...PHONE, colorScheme: "light" } };

for (const [screen, options] of Object.entries(SCREENS)) {
  for (const [name, visit] of Object.entries(PAGES)) {
    test(`no rule is broken by: ${name}, ${screen}`, async (context) => {
      const page = await newPage(context, options);
      await visit(page);
      assert.deepEqual(await broken(page), []);
    });
  }
}

// axe looks at texts alone.
test("the edge of a field stands out from the page, in light and in dark", async (context) => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await newPage(context, { ...DESKTOP, colorScheme });
    for (const visit of [() => open(page), () => openServer(page, { term: "hour" })]) {
      await visit();
      const contrasts = await page.evaluate(() => {
        const luminance = (color) => {
          const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
          const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
        };
        return [...document.querySelectorAll("input:not([type=checkbox], [type=hidden]), select")].map((field) => {
          const { borderTopColor, backgroundColor } = getComputedStyle(field);
          const [edge, inner] = [borderTopColor, backgroundColor].map(luminance);
          return Math.max(edge, inner) / Math.min(edge, inner);
        });
      });
      assert.ok(contrasts.length > 1 && contrasts.every((contrast) => contrast >= 3), `${colorScheme}: ${contrasts}`);
    }
  }
});
