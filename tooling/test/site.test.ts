import { createReadStream, existsSync, globSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { repositoryRoot, run } from "../packages.ts";
import { isWide } from "../wide.ts";
import { isTooWide, useBrowser, violationsOf } from "./fixtures/browser.ts";

// The documentation site, as its one command builds it and a browser sees it. The build takes a
// processor for minutes, so `test:site` and `test:wide` run these tests, and the workflow of the
// site does. The usual `test` leaves them out.

const BASE = "/mcp-task-store/";
/** What pages say that say nothing of their own. */
const SITE_DESCRIPTION = "Durable tasks for MCP servers in TypeScript";
const docs = join(repositoryRoot, "tooling/docs");
const dist = join(docs, ".vitepress/dist");
const pages = globSync("*/**/*.md", { cwd: docs, exclude: ["node_modules/**", "reference/api/**"] })
  .map((page) => page.replace(/\.md$/, "").replace(/README$/, "index"))
  .toSorted();
/** A page of each kind; all of them in `test:wide`. */
const looked = isWide
  ? pages
  : ["start/five-minutes", "start/how-it-works", "stores/postgres", "run/dashboard", "inside/benchmarks"];

const suite = describe.runIf(process.env["TEST_SITE"] === "1" || isWide);

suite("the site", () => {
  const browser = useBrowser();
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    await run("npx", ["--yes", "pnpm@12", "run", "site"], { cwd: repositoryRoot, timeoutMs: 600_000 });
    server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://site");
      const file = fileOf(decodeURIComponent(pathname));
      response.writeHead(file === undefined ? 404 : 200, { "content-type": TYPES[extname(file ?? ".html")] ?? "" });
      createReadStream(file ?? join(dist, "404.html")).pipe(response);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }, 620_000);
  afterAll(() => server?.close());

  const TYPES: Readonly<Record<string, string>> = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
  };

  /** What GitHub Pages serves: `/start/which-store` is `start/which-store.html`. */
  function fileOf(pathname: string): string | undefined {
    if (!pathname.startsWith(BASE)) return undefined;
    const path = join(dist, pathname.slice(BASE.length));
    return [path, `${path}.html`, join(path, "index.html")].find((each) => existsSync(each) && statSync(each).isFile());
  }

  function htmlOf(file: string): string {
    return readFileSync(join(dist, file), "utf8");
  }

  test("every link of every page leads to a page, and to a place on it", () => {
    const ids = new Map<string, Set<string>>();
    const idsOf = (file: string) => {
      const known =
        ids.get(file) ?? new Set([...readFileSync(file, "utf8").matchAll(/ id="([^"]+)"/g)].map(([, id]) => id ?? ""));
      ids.set(file, known);
      return known;
    };
    const wrong = globSync("**/*.html", { cwd: dist }).flatMap((page) =>
      [...new Set([...htmlOf(page).matchAll(/<a [^>]*?href="([^"]+)"/g)].map(([, href]) => href ?? ""))].flatMap(
        (href) => {
          const url = new URL(
            href.replaceAll("&amp;", "&"),
            `http://site${BASE}${page.replace(/(^|\/)index\.html$/, "$1").replace(/\.html$/, "")}`,
          );
          if (url.host !== "site") return [];
          const file = fileOf(decodeURIComponent(url.pathname));
          const place = decodeURIComponent(url.hash.slice(1));
          const found = file !== undefined && (place === "" || idsOf(file).has(place));
          return found ? [] : [`${page}: ${href}`];
        },
      ),
    );
    expect(wrong).toEqual([]);
  });

  test("the lists beside pages have every page", () => {
    const listed = new Set(
      [...htmlOf("llms.txt").matchAll(/\]\([^)]*?\/mcp-task-store\/([^)]+)\.md\)/g)].map(([, page]) => page),
    );
    expect(pages.filter((page) => !listed.has(page.replace(/\/index$/, "")) && !page.startsWith("inside/"))).toEqual(
      [],
    );
    const whole = readFileSync(join(dist, "llms-full.txt"), "utf8");
    for (const page of pages) {
      const markdown = htmlOf(`${page.replace(/\/index$/, "")}.md`);
      const title = /^# .+$/m.exec(markdown)?.[0];
      expect(title, page).toBeDefined();
      expect(whole).toContain(title);
      expect(markdown.replace(/^```.*?^```$/gms, "")).not.toMatch(/\]\((?!https:|mailto:|#)[^)\s]+\)/);
    }
  });

  test.each(pages)("%s says in one sentence what it is about", (page) => {
    const description = /<meta name="description" content="([^"]+)"/.exec(htmlOf(`${page}.html`))?.[1];
    expect(description).toMatch(/^.{20,200}$/);
    expect(description).not.toBe(SITE_DESCRIPTION);
  });

  describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
    test.each(["", ...looked])(
      "axe finds nothing on /%s, and it fits a telephone",
      { timeout: 120_000 },
      async (path) => {
        const page = await browser.open(`${origin}${BASE}${path}`, {
          colorScheme,
          viewport: { width: 390, height: 844 },
        });
        await page.locator("h1").first().waitFor();
        expect(await isTooWide(page)).toBe(false);
        await page.setViewportSize({ width: 1280, height: 900 });
        expect(await violationsOf(page)).toEqual([]);
      },
    );
  });

  test("a diagram is drawn, and again when the colours change", async () => {
    const page = await browser.open(`${origin}${BASE}start/how-it-works`);
    const diagram = page.locator(".diagram svg").first();
    await diagram.waitFor();
    expect(await diagram.locator("title").first().textContent()).not.toBe("");
  });

  test("the search finds a page without asking any other host", async () => {
    const page = await browser.open(`${origin}${BASE}`);
    const box = page.getByRole("searchbox");
    // The page hears the key once its program runs.
    await vi.waitFor(
      async () => {
        if (!(await box.isVisible())) await page.keyboard.press("/");
        expect(await box.isVisible()).toBe(true);
      },
      { timeout: 30_000, interval: 200 },
    );
    await box.fill("lease lost");
    await page.locator(".result").first().waitFor();
    expect(await page.locator(".result").count()).toBeGreaterThan(1);
  });
});
