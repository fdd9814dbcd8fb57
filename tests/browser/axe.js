// The rules of WCAG 2 A and AA, by axe.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// What of the page breaks which rule.
export async function broken(page) {
  // By the debugger, which the page's own policy does not bind.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    const { violations } = await window.axe.run(document, { runOnly });
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.html} ${node.any.map((one) => one.message)}`));
  });
}
