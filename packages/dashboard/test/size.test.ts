import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { scene } from "./support.ts";

const LIMIT = 130 * 1024;

test("the page and all that it loads have at most 130 KB, compressed, under names with a hash", async () => {
  const { raw } = scene();
  const page = await (await raw("main")).text();
  const names = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, name = ""]) => name);
  expect(names.map((name) => name.split(".").at(-1)).toSorted()).toEqual(["css", "js", "svg"]);
  let size = gzipSync(page).length;
  for (const name of names) {
    expect(name).toMatch(/^assets\/\w+-[\w-]{8}\.\w+$/);
    const response = await raw(name);
    expect(response.headers.get("cache-control")).toContain("immutable");
    const text = await response.text();
    size += gzipSync(text).length;
    // No further file, from here or elsewhere.
    expect(text).not.toMatch(/\bimport\(|@import|url\((?!#)/);
  }
  expect(size).toBeLessThan(LIMIT);
});

test("the package has the licenses of the libraries in its pages", () => {
  const text = readFileSync(new URL("../dist/client/LICENSES.md", import.meta.url), "utf8");
  const named = [...text.matchAll(/^## (\S+) \d/gm)].map(([, name]) => name);
  expect(named).toEqual([
    "@tanstack/preact-query",
    "@tanstack/query-core",
    "@tanstack/virtual-core",
    "preact",
    "uplot",
  ]);
  expect(text.match(/copyright/gi)?.length).toBeGreaterThanOrEqual(named.length);
});

test("the pictures of the README are small", () => {
  const folder = fileURLToPath(new URL("../pictures", import.meta.url));
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).size, name).toBeLessThan(200_000);
});

test("files are sent compressed to those who take it", async () => {
  const { raw } = scene();
  const plain = await (await raw("main")).text();
  const response = await raw("main", { headers: { "accept-encoding": "br, gzip" } });
  expect(response.headers.get("content-encoding")).toBe("gzip");
  const unpacked = await new Response(response.body?.pipeThrough(new DecompressionStream("gzip"))).text();
  expect(unpacked).toBe(plain);
});

test("the base of the page is where the dashboard is served, and the bare path leads to it", async () => {
  const { raw, dashboard } = scene({ basePath: "/a&lt;b/" });
  const page = await dashboard.fetch(new Request("http://localhost/a&lt;b/main"));
  expect(await page.text()).toContain('<base href="/a&#38;lt;b/">');
  for (const basePath of ["ops", "/a b", "//a", "/a/../b", "/a?b", '/"a'])
    expect(() => scene({ basePath }), basePath).toThrow("basePath must be a path");
  const other = scene();
  expect(await (await other.raw("main/tasks/deep")).text()).toContain('<base href="/ops/">');
  const bare = await other.dashboard.fetch(new Request("http://localhost/ops"));
  expect([bare.status, bare.headers.get("location")]).toEqual([308, "/ops/"]);
  expect((await other.dashboard.fetch(new Request("http://localhost/opsx"))).status).toBe(404);
  expect((await raw("")).status).toBe(404);
});
