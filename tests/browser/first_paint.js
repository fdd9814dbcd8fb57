// Prints how long Chromium takes until it has painted something of the page at the address given, the
// median of five fresh browser contexts.
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const times = [];
for (let round = 0; round < 5; round += 1) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(process.argv[2], { waitUntil: "load" });
  times.push(await page.evaluate(() => {
    const paints = performance.getEntriesByType("paint");
    return paints.find((entry) => entry.name === "first-contentful-paint").startTime;
  }));
  await context.close();
}
await browser.close();
times.sort((a, b) => a - b);
console.log(`${Math.round(times[2])} ms (${times.map(Math.round).join(", ")})`);
