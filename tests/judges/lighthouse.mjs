// Lets Lighthouse judge pages in one browser. Standard input: JSON with `chromium`, `arguments`, `home` and `pages`, of each its
// `address` and `cookies` (name and value). Standard output: JSON, of each page its scores (0 to 1) and, by category, what lost
// points: its score and words.
import { readFileSync } from "node:fs";

import lighthouse from "lighthouse";
import puppeteer from "puppeteer-core";

const asked = JSON.parse(readFileSync(0, "utf8"));
const browser = await puppeteer.launch({
  executablePath: asked.chromium,
  args: asked.arguments,
  env: { ...process.env, HOME: asked.home, LANG: "ja_JP.UTF-8" },
});

const flags = {
  logLevel: "error",
  disableStorageReset: true, // what was set below is the log-in
  disableFullPageScreenshot: true,
  onlyCategories: ["performance", "accessibility", "best-practices", "seo"],
};

// On a busy machine the browser's trace may lack its beginning: that is a failed measurement, not a verdict.
async function judge(page) {
  for (let attempt = 1; ; attempt += 1) {
    const verdict = await measure(page);
    if (!verdict.trouble || attempt === 3) return verdict;
  }
}

async function measure({ address, cookies }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const session = await page.createCDPSession();
  for (const [name, value] of Object.entries(cookies)) {
    await session.send("Network.setCookie", { name, value, url: address, path: "/", secure: true, httpOnly: true });
  }
  const { lhr } = await lighthouse(address, flags, undefined, page);
  await context.close();
  const scores = {}, losses = {};
  for (const [name, category] of Object.entries(lhr.categories)) {
    scores[name] = category.score;
    losses[name] = {};
    for (const { id, weight } of category.auditRefs) {
      const audit = lhr.audits[id];
      if (weight > 0 && audit.score !== null && audit.score < 1) {
        const items = JSON.stringify((audit.details?.items ?? []).slice(0, 3)).slice(0, 600);
        losses[name][id] = [audit.score, `${audit.title}: ${audit.displayValue ?? ""} ${items}`];
      }
    }
  }
  return { address: lhr.finalDisplayedUrl, trouble: lhr.runtimeError?.message ?? "", scores, losses };
}

const found = [];
try {
  for (const page of asked.pages) found.push(await judge(page));
} finally {
  await browser.close();
}
process.stdout.write(JSON.stringify(found));
