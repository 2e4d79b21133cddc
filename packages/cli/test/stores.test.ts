import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Output } from "../src/output/output.ts";
import { parseAddress, secretsOf, shownAddress } from "../src/stores/address.ts";
import { json, mcpTasks } from "./support/cli.ts";
import { cluster, postgres, redis, sqlite } from "./support/places.ts";

const file = sqlite.use();
const server = postgres.use();
const keys = redis.use();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-stores-"));
  await file.store.createTask({ name: "in-file" });
  await server.store.createTask({ name: "on-server" });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function namesIn(args: string[], options: { env?: Record<string, string>; cwd?: string }) {
  const { tasks } = await json(["list", ...args], options);
  return tasks.map(({ name }: { name: string }) => name);
}

describe("which store", () => {
  test("--store goes before MCP_TASK_STORE, and that before the configuration file", async () => {
    await writeFile(join(folder, "mcp-tasks.json"), JSON.stringify({ store: file.url }));
    await writeFile(join(folder, "other.json"), JSON.stringify({ store: server.url, schema: "mcp_tasks" }));
    const env = { MCP_TASK_STORE: server.url };
    const found = await Promise.all([
      namesIn([], { cwd: folder }),
      namesIn([], { cwd: folder, env }),
      namesIn(["--store", file.url], { cwd: folder, env }),
      namesIn(["--store", `sqlite:${file.url}`], {}),
      namesIn(["--config", "other.json"], { cwd: folder }),
    ]);
    expect(found).toEqual([["in-file"], ["on-server"], ["in-file"], ["in-file"], ["on-server"]]);
  });

  test("a configuration file can make a store read-only, which an option undoes", async () => {
    await writeFile(join(folder, "careful.json"), JSON.stringify({ store: file.url, readOnly: true }));
    const pause = ["pause", "in-file", "--config", "careful.json"];
    expect((await mcpTasks(pause, { cwd: folder })).code).toBe(2);
    expect((await mcpTasks([...pause, "--no-read-only"], { cwd: folder })).code).toBe(0);
  });

  test("what names no store is wrong usage", async () => {
    await writeFile(join(folder, "bad.json"), JSON.stringify({ store: file.url, colour: "red" }));
    const wrong = await Promise.all([
      mcpTasks(["list"], { cwd: "/" }),
      mcpTasks(["list", "--store", "mysql://root:hush-hush@localhost/tasks"]),
      mcpTasks(["list", "--store", "postgres://root:hush-hush@:port/tasks"]),
      mcpTasks(["list", "--store", file.url, "--schema", "other"]),
      mcpTasks(["list", "--store", ":memory:"]),
      mcpTasks(["list", "--config", join(folder, "bad.json")]),
      mcpTasks(["list", "--config", join(folder, "none.json")]),
    ]);
    expect(wrong.map(({ code }) => code)).toEqual(wrong.map(() => 2));
    for (const { stderr } of wrong) {
      expect(stderr).toMatch(/^mcp-tasks: [^\n]+\n$/);
      expect(stderr).not.toContain("hush-hush");
    }
  });
});

describe("a node of a Redis Cluster", () => {
  const place = cluster.use();

  test("stands for the whole cluster", async () => {
    const { taskId } = await place.store.createTask({ name: "in-cluster" });
    expect(await namesIn([...place.args], {})).toEqual(["in-cluster"]);
    expect(await mcpTasks(["cancel", taskId, ...place.args])).toMatchObject({ code: 0 });
    expect(await mcpTasks(["watch", taskId, ...place.args])).toMatchObject({ code: 4 });
  });
});

describe("a store that cannot be opened", () => {
  test("credentials are not printed", async () => {
    const failures = await Promise.all([
      mcpTasks(["list", "--store", "postgres://bob:hush%2dhush@127.0.0.1:1/tasks"]),
      mcpTasks(["list", "--store", keys.url.replace("//", "//bob:hush%2dhush@")]),
      mcpTasks(["list", "--store", server.url.replace("//", "//nobody:hush%2dhush@").replace(/hush@[^@/]+@/, "hush@")]),
    ]);
    for (const { code, stdout, stderr } of failures) {
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(/^mcp-tasks: [^\n]+\n$/);
      expect(stderr).not.toMatch(/hush|%2d/);
    }
  });

  test("texts of errors are printed without the address's password", () => {
    const address = parseAddress("postgres://bob:hush%2dhush@db.internal/tasks?sslmode=require");
    const output = new Output("list", false, false);
    output.hide(secretsOf(address));
    const said =
      'refused postgres://bob:hush%2dhush@db.internal/tasks with "hush-hush" or redis://eve:other@db.internal';
    expect(output.safe(said)).not.toMatch(/hush|other/);
    expect(shownAddress(address)).toBe("postgres://db.internal/tasks");
  });

  test("a file that does not exist is not made, and one of another program is left as it is", async () => {
    const other = join(folder, "other.db");
    const database = new Database(other);
    database.exec("CREATE TABLE books (title TEXT)");
    const missing = await mcpTasks(["list", "--store", join(folder, "missing.db")]);
    const foreign = await mcpTasks(["list", "--store", other]);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("there is no file") });
    expect(foreign).toMatchObject({ code: 1, stderr: expect.stringContaining("run mcp-tasks migrate") });
    const tables = database.prepare("SELECT name FROM sqlite_schema").all();
    database.close();
    expect(tables).toEqual([{ name: "books" }]);
    expect((await mcpTasks(["list", "--store", join(folder, "missing.db")])).code).toBe(1);
  });

  test("a platform without SQLite's driver gets an error that says so", async () => {
    const resolve = `export const resolve = async (name, context, next) => {
      if (name === "better-sqlite3") throw new Error("no binary for this platform");
      return next(name, context);
    };`;
    const hooks = `data:text/javascript,${encodeURIComponent(resolve)}`;
    const register = `import { register } from "node:module"; register(${JSON.stringify(hooks)});`;
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(register)}`;
    const [missing, others] = await Promise.all([
      mcpTasks(["list", "--store", file.url], { env: { NODE_OPTIONS } }),
      mcpTasks(["list", "--store", server.url], { env: { NODE_OPTIONS } }),
    ]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("the driver for SQLite cannot be loaded (no binary for this platform)");
    expect(others.code).toBe(0);
  });

  test("tables in another schema are not found, and not made", async () => {
    const args = ["list", "--store", server.url, "--schema", "elsewhere"];
    expect(await mcpTasks(args)).toMatchObject({ code: 1, stderr: expect.stringContaining("run mcp-tasks migrate") });
    expect((await mcpTasks(args)).code).toBe(1);
  });
});
