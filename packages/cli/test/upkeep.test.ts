import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, mcpTasks } from "./support/cli.ts";
import { places, postgres } from "./support/places.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-upkeep-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(places)("$name", ({ use }) => {
  const place = use();

  test("health says whether the store answers and limits hold", async () => {
    expect(await json(["health", ...place.args])).toMatchObject({ healthy: true, problems: [] });
    await place.store.createTask({ name: "render" });
    const [well, late] = await Promise.all([
      json(["health", ...place.args, "--max-wait", "1h", "--max-stuck", "0"]),
      mcpTasks(["health", ...place.args, "--max-wait", "0s", "--json"]),
    ]);
    expect(well).toMatchObject({ healthy: true, stuck: 0 });
    expect(late.code).toBe(3);
    expect(JSON.parse(late.stdout)).toMatchObject({ healthy: false, problems: [expect.stringMatching("has waited")] });
  });
});

test("health of a store that cannot be reached is bad, and shows no credentials", async () => {
  const args = ["health", "--store", "postgres://bob:hush-hush@127.0.0.1:1/tasks"];
  const [text, document] = await Promise.all([mcpTasks(args), mcpTasks([...args, "--json"])]);
  expect([text.code, document.code]).toEqual([3, 3]);
  expect(JSON.parse(document.stdout)).toMatchObject({ healthy: false });
  expect(text.stderr + document.stdout).not.toContain("hush-hush");
});

describe("migrate", () => {
  const server = postgres.use();

  test("makes the file of a store, and only if it is no dry run", async () => {
    const path = join(folder, "made.db");
    const args = ["migrate", "--store", path];
    const dry = await json([...args, "--dry-run"]);
    expect(dry).toMatchObject({ dryRun: true, found: 0, applied: 0 });
    expect(existsSync(path)).toBe(false);
    expect((await mcpTasks([...args, "--read-only"])).code).toBe(2);
    expect(await json(args)).toMatchObject({ found: 0, applied: dry.known });
    expect(await json(args)).toMatchObject({ found: dry.known, applied: 0 });
    expect((await json(["list", "--store", path])).tasks).toEqual([]);
  });

  test("makes the tables in a schema of PostgreSQL", async () => {
    const place = ["--store", server.url, "--schema", 'the "second"'];
    const dry = await json(["migrate", ...place, "--dry-run"]);
    expect((await mcpTasks(["list", ...place])).code).toBe(1);
    expect(await json(["migrate", ...place])).toMatchObject({ found: 0, applied: dry.known });
    expect((await json(["list", ...place])).tasks).toEqual([]);
  });

  test("has nothing to do on Redis", async () => {
    expect(await mcpTasks(["migrate", "--store", "redis://127.0.0.1:1"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("no migration"),
    });
  });
});
