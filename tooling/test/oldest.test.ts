import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { useDatabase, useKeys } from "../databases/fixtures.ts";
import { publicPackages, repositoryRoot, run } from "../packages.ts";
import { variantCases } from "../wide.ts";
import { oldestNode } from "./oldest-node.ts";
import { usePackedProject } from "./packed-project.ts";

// The packed packages on the oldest supported version of each dependency.

/** Newer than the lockfile's Node. */
const NEWEST_NODE = "26.10.0";
/** The last versions that lack needed JavaScript, and needed Node-API. */
const TOO_OLD = ["20.19.4", "22.13.1"];
const OLDEST_NODE = `${oldestNode()}.0`;

const project = usePackedProject({
  dependencies: {
    "@modelcontextprotocol/client": oldestPeer("server", "@modelcontextprotocol/server"),
    "@modelcontextprotocol/server": oldestPeer("server", "@modelcontextprotocol/server"),
    "@opentelemetry/api": oldestPeer("otel", "@opentelemetry/api"),
    // The major before it is tested in sqlite-drivers.test.ts.
    "better-sqlite3": oldestPeer("sqlite", "better-sqlite3"),
    "drizzle-orm": oldestPeer("sqlite", "drizzle-orm"),
    pg: oldestPeer("postgres", "pg"),
    ioredis: oldestPeer("redis", "ioredis"),
    // The README promises this version.
    "@modelcontextprotocol/sdk": "1.25.0",
  },
  devDependencies: Object.fromEntries(
    [OLDEST_NODE, NEWEST_NODE, ...TOO_OLD].map((version) => [version, nodeOf(version)]),
  ),
});
const database = useDatabase({ version: 15 });
const keys = useKeys();

describe.each([...new Set([OLDEST_NODE, process.versions.node, NEWEST_NODE])])("Node %s", (version) => {
  const text = (said: string) => [{ type: "text", text: said }];

  test.each(["import", "require"])("%s loads every entry point", async (how) => {
    const load = publicPackages()
      .flatMap(({ entryPoints }) => entryPoints)
      .map((specifier) => `await ${how}(${JSON.stringify(specifier)});`);
    const program = `(async () => { ${load.join(" ")} console.log(process.versions.node); })();`;
    expect((await node(version, "--eval", program)).trim()).toBe(version);
  });

  test.each([
    ["memory", () => ({})],
    ["sqlite", () => ({ path: join(project.directory, `${version}.db`) })],
    ["postgres", () => ({ connectionString: database.url, schema: `v${version.replaceAll(".", "_")}` })],
    ["redis", () => ({ url: keys.url, keyPrefix: `${keys.prefix}${version}` })],
  ])("a task on %s runs from creation to result", async (backend, options) => {
    const answer = await node(version, "lifecycle.mjs", backend, JSON.stringify(options()));
    expect(JSON.parse(answer)).toEqual({ content: text("done"), listed: ["completed"] });
  });

  test("finished runs and waits leave no listener on a signal that outlives them", async () => {
    expect(JSON.parse(await node(version, "shared-signal.mjs"))).toEqual({ listeners: 0, kept: 0, ran: 50 });
  });

  test("the conformance suite runs as a program and by node:test", async () => {
    const { passed, failed } = JSON.parse(await node(version, "conform.mjs", "program"));
    expect(failed).toEqual([]);
    const said = await node(version, "--test", "--test-reporter=tap", "--test-name-pattern=limits/", "conform.mjs");
    expect(passed).toBeGreaterThan(200);
    expect(said).toContain("# fail 0\n");
    expect(said).not.toContain("# pass 0\n");
  });

  // Other drivers have the suite on this Node, and node:sqlite differs between versions of Node.
  test("the conformance suite passes on SQLite by node:sqlite", { timeout: 600_000 }, async () => {
    const { passed, failed } = JSON.parse(
      await node(version, "conform-sqlite.mjs", "node:sqlite", ...(variantCases ?? [])),
    );
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(variantCases ? 70 : 200);
  });

  test.each(["import", "require"])("%s: a server on SDK 2.x serves a task", async (how) => {
    const { task } = JSON.parse(await node(version, "round-trip.cjs", how, how, "tasks"));
    expect(task).toEqual({ status: "completed", content: text("rendered") });
  });

  test("a server on SDK 1.x serves a task", async () => {
    expect(JSON.parse(await node(version, "sdk-1.mjs"))).toEqual(["taskCreated", text("done")]);
  });
});

describe.each(TOO_OLD)("Node %s", (version) => {
  test.each(["import", "require"])("%s of the SQLite store names the Node version it needs", async (how) => {
    const program = `(async () => { await ${how}("@mcp-task-store/sqlite"); })().catch((error) => console.log(error.message));`;
    const said = await node(version, "--eval", program);
    expect(said).toContain(`needs Node ${oldestNode()} or newer`);
    expect(said).toContain(`this is Node ${version}`);
  });
});

/** The registry's Node package for this machine, which needs no install script. */
function nodeOf(version: string): string {
  return `npm:node-${process.platform}-${process.arch}@${version}`;
}

function node(version: string, ...args: string[]): Promise<string> {
  const path =
    version === process.versions.node ? process.execPath : join(project.directory, "node_modules", version, "bin/node");
  return run(path, args, { cwd: project.directory, timeoutMs: 600_000 });
}

/** The lower end of a peer's range, in the newest major of the range. */
function oldestPeer(of: string, peer: string): string {
  const { peerDependencies } = JSON.parse(readFileSync(join(repositoryRoot, `packages/${of}/package.json`), "utf8"));
  return lowerEnd(peerDependencies[peer].split(" || ").at(-1));
}

function lowerEnd(range: string | undefined): string {
  const version = /^(?:\^|>=)(\d+\.\d+\.\d+)/.exec(range ?? "")?.[1];
  if (version === undefined) throw new Error(`${range} has no lower end`);
  return version;
}
