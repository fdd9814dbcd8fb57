// The pages speak the language that the browser asks for, or the one that was chosen.
import assert from "node:assert/strict";
import { test } from "node:test";
import { broken } from "./axe.js";
import { DESKTOP, PHONE, addressOfHost, fitsTheScreen, newPage, open, openServer, pictureOf, shoot, watchForFaults } from "./stage.js";

const language = (page) => page.evaluate(() => document.documentElement.lang);

// Words that each language has in the places that are looked at.
const LANGUAGES = {
  ja: { locale: "ja-JP", options: "オプション", noMatch: "該当するホストはありません。", refreshed: /に更新/, copy: "コピー", last: "最新", ok: "正常" },
  "zh-Hans": { locale: "zh-CN", options: "选项", noMatch: "没有匹配的主机。", refreshed: /^刷新于/, copy: "复制", last: "最新", ok: "正常" },
};

for (const [tag, words] of Object.entries(LANGUAGES)) {
  test(`a browser that asks for ${words.locale} gets it, from pages and from scripts`, async (context) => {
    const page = await newPage(context, { ...DESKTOP, locale: words.locale });
    const faults = watchForFaults(page);
    await open(page);
    assert.equal(await language(page), tag);
    await page.getByRole("searchbox").fill("no host is called so");
    assert.ok(await page.getByText(words.noMatch).isVisible());
    await page.getByRole("searchbox").fill("");
    // The chips count and filter by statuses, whatever these are called.
    const chip = page.locator(".chips [data-status=ok]");
    assert.ok((await chip.innerText()).startsWith(words.ok));
    const marked = await page.locator(".hosts .mark.ok").count();
    assert.equal(await chip.locator("b").innerText(), String(marked));
    await page.getByLabel(words.options).click();
    assert.match(await page.locator("#refreshed").innerText(), words.refreshed);

    await openServer(page, { term: "hour" });
    assert.equal(await page.locator(".copy").first().innerText(), words.copy);
    const picture = await pictureOf(page, "loadavg-1");
    await page.waitForFunction(
      ([image, last]) => image.alt.includes(` ${last} `),
      [await picture.elementHandle(), words.last],
    );
    assert.deepEqual(faults, []);
  });

  for (const [screen, options] of Object.entries({ desktop: { ...DESKTOP, colorScheme: "dark" }, phone: { ...PHONE, colorScheme: "light" } })) {
    test(`no page in ${tag} overflows or breaks a rule of accessibility: ${screen}`, async (context) => {
      const page = await newPage(context, { ...options, locale: words.locale });
      const address = await addressOfHost();
      const graph = `address=${address}&plugin_identifier=base&graph=loadavg-1`;
      const pages = {
        list: "",
        server: `server?address=${address}`,
        servers: `servers?address=${address}&address=127.0.0.1`,
        details: `details?${graph}`,
        pipeline: "pipeline",
        error: "nothing-is-here",
      };
      for (const [name, path] of Object.entries(pages)) {
        await open(page, path);
        await fitsTheScreen(page);
        await shoot(page, `${name}-${screen}-${tag}`);
        assert.deepEqual(await broken(page), [], path);
      }
      await open(page);
      await page.getByLabel(words.options).click();
      await fitsTheScreen(page);
      await shoot(page, `options-${screen}-${tag}`, {});
      assert.deepEqual(await broken(page), [], "options");
      await page.locator("#show-help").click();
      await fitsTheScreen(page);
      await shoot(page, `help-${screen}-${tag}`, {});
    });
  }
}

async function choose(page, tag) {
  await page.locator(".options summary").click();
  const loaded = page.waitForEvent("load");
  await page.locator("#language").selectOption(tag);
  await loaded;
}

test("a chosen language holds on every page and after a restart, until auto is chosen", async (context) => {
  const page = await newPage(context, { ...DESKTOP, locale: "ja-JP" });
  await open(page);
  await choose(page, "zh-Hans");
  assert.equal(await language(page), "zh-Hans");
  assert.equal(await page.locator("#language").inputValue(), "zh-Hans");
  await openServer(page);
  assert.equal(await language(page), "zh-Hans");
  await open(page, "nothing-is-here");
  assert.equal(await language(page), "zh-Hans");
  const kept = (await page.context().cookies()).find(({ name }) => name === "kurado_language");
  assert.ok(kept.expires > Date.now() / 1000 + 300 * 86_400, "it ends with the window");
  await open(page);
  await choose(page, "en");
  assert.equal(await language(page), "en");
  await choose(page, "auto");
  assert.equal(await language(page), "ja");
});

test("without scripts the browser's language holds", async (context) => {
  const page = await newPage(context, { ...DESKTOP, locale: "zh-TW", javaScriptEnabled: false });
  await open(page);
  assert.equal(await page.locator("html").getAttribute("lang"), "zh-Hans");
});
