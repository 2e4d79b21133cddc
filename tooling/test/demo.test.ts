import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sharedServer, useDatabase } from "../databases/fixtures.ts";
import { type Evidence, problemsOf } from "../demo/verify.ts";
import { repositoryRoot } from "../packages.ts";

// Each run of the demo has its own temporary folder, so a test can see what it leaves behind.

const FILES = 40;
const TIMEOUT_MS = 600_000;
/**
 * Slow enough for a machine that stalls for seconds: the half-way point is seen in time, and only a
 * kill costs a server its lease.
 */
const UNHURRIED = ["--pace", "15", "--lease", "15"];

/** Separate from other tests, so that a test can see what a run leaves behind. */
const database = useDatabase();

let scratch: string;
/** `FILES` small files, and others that the demo ignores. */
let work: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "demo-test-"));
  work = join(scratch, "work");
  for (const folder of ["sub", "node_modules", "dist", ".git"]) await mkdir(join(work, folder), { recursive: true });
  for (let i = 0; i < FILES; i++) await writeFile(join(work, i % 2 ? "sub" : "", `file ${i}`), `content ${i}`);
  for (const folder of ["node_modules", "dist", ".git"]) await writeFile(join(work, folder, "file"), "does not count");
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

describe.concurrent("the demo", () => {
  /** The two stores that a second server shares while the first one runs. */
  const databases = [
    { store: "postgres", variable: "TEST_POSTGRES_URL", find: async () => database.url, leftIn: demoSchemas },
    {
      store: "redis",
      variable: "TEST_REDIS_URL",
      find: async () => (await sharedServer({ product: "Redis" })).url,
      leftIn: demoKeys,
    },
  ];
  test.each(databases)(
    "lets two servers share a task in $store, and one finishes it after a kill of the other",
    {
      timeout: TIMEOUT_MS,
    },
    async ({ store, variable, find, leftIn }) => {
      const url = await find();
      const run = await demo(["--dir", work, "--store", store, ...UNHURRIED], { env: { [variable]: url } });
      expect(run).toMatchObject({ exitCode: 0, stderr: "", leftBehind: [] });
      expect(run.stdout).toContain(`: ${variable}`);
      expect(run.stdout).toMatch(
        /Server 2 .* runs beside it\..* with SIGKILL, \d+ of 40 files.* goes on with server 2/s,
      );
      expect(run.stdout).toMatch(/as attempt 2, and hashed the other \d+/);
      expect(run.stdout).toContain("verified");
      expect(run.servers).toHaveLength(2);
      expect(run.servers.filter(isRunning)).toEqual([]);
      expect(await leftIn(url)).toEqual([]);
    },
  );

  test("lets a second server finish a killed server's task", { timeout: TIMEOUT_MS }, async () => {
    const run = await demo(["--dir", work, "--store", "sqlite", ...UNHURRIED]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "", leftBehind: [] });
    expect(run.stdout).toContain("MCP 2026-07-28");
    expect(run.stdout).toContain(`without a task: ${FILES} files`);
    expect(run.stdout).toMatch(/with SIGKILL, \d+ of 40 files/);
    expect(run.stdout).toContain("40 of 40 files");
    expect(run.stdout).toMatch(/server 1 hashed \d+, then was killed/);
    expect(run.stdout).toMatch(/as attempt 2, and hashed the other \d+/);
    expect(run.stdout).toContain("verified");
    expect(run.servers).toHaveLength(2);
    expect(run.servers.filter(isRunning)).toEqual([]);
  });

  test("lets it do so for clients of 2025-11-25 as well", { timeout: TIMEOUT_MS }, async () => {
    const run = await demo(["--dir", work, "--protocol", "2025-11-25", ...UNHURRIED]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "", leftBehind: [] });
    expect(run.stdout).toContain("MCP 2025-11-25");
    expect(run.stdout).toContain("verified");
  });

  test("shows that a task in memory dies with its server", { timeout: TIMEOUT_MS }, async () => {
    const run = await demo(["--dir", work, "--store", "memory", ...UNHURRIED]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "", leftBehind: [] });
    expect(run.stdout).toContain("As expected, the task died with its server");
    expect(run.stdout).toContain("Task not found");
    expect(run.stdout).not.toContain("verified");
    expect(run.servers).toHaveLength(2);
    expect(run.servers.filter(isRunning)).toEqual([]);
  });

  test("fails for a folder of fewer than two files", { timeout: TIMEOUT_MS }, async () => {
    const single = await mkdtemp(join(scratch, "single-"));
    await writeFile(join(single, "file"), "the only one");
    const run = await demo(["--dir", single]);
    expect(run).toMatchObject({ exitCode: 1, leftBehind: [] });
    expect(run.stderr).toContain("fewer than two files");
  });

  test.skipIf(process.platform === "win32")("cleans up when interrupted", { timeout: TIMEOUT_MS }, async () => {
    const run = await demo(["--dir", work, "--pace", "15"], { interruptAt: "runs hash_directory" });
    expect(run).toMatchObject({ exitCode: 130, stderr: "", leftBehind: [] });
    expect(run.servers).toHaveLength(1);
    expect(run.servers.filter(isRunning)).toEqual([]);
  });

  test.each([
    [["--dir", "/no/such/directory"], '"/no/such/directory" is not a directory'],
    [["--store", "paper"], 'there is no store "paper", only sqlite, postgres, redis, memory'],
    [["--pace", "soon"], 'not "soon"'],
    [["--lease", "0"], "--lease takes a number of seconds from 1 to 60"],
    [["--protocol", "2024-11-05"], "2026-07-28 or 2025-11-25"],
    [["--no-such-option"], "--no-such-option"],
    [["word"], "word"],
  ])("refuses %j", { timeout: TIMEOUT_MS }, async (args, message) => {
    const run = await demo(args);
    expect(run).toMatchObject({ exitCode: 2, stdout: "", leftBehind: [] });
    expect(run.stderr).toContain(message);
  });

  test("explains its options", { timeout: TIMEOUT_MS }, async () => {
    const run = await demo(["--help"]);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    for (const option of [
      "--dir",
      "--store",
      "--pace",
      "--lease",
      "--protocol",
      "sqlite",
      "postgres",
      "redis",
      "memory",
    ])
      expect(run.stdout).toContain(option);
  });
});

describe("the verdict on a run", () => {
  const sum = { files: 10, bytes: 100, sha256: "5a" };
  const result = { ...sum, attempt: 2, hashedBy: { 1: 6, 2: 4 } };
  const good: Evidence = {
    result,
    straight: sum,
    firstServer: 1,
    secondServer: 2,
    firstServerEndedBy: "SIGKILL",
    doneAtKill: 5,
  };

  test("is good if nothing went wrong", () => expect(problemsOf(good)).toEqual([]));

  test.each<[string, Partial<Evidence>]>([
    ["the digest is 00", { result: { ...result, sha256: "00" } }],
    ["9 files were hashed instead of 10", { result: { ...result, files: 9 } }],
    ["99 bytes were hashed", { result: { ...result, bytes: 99 } }],
    ["it was attempt 1", { result: { ...result, attempt: 1 } }],
    ["server 2 started from nothing", { result: { ...result, hashedBy: { 2: 10 } } }],
    ["only 3 of them were kept", { result: { ...result, hashedBy: { 1: 3, 2: 7 } } }],
    ["server 2 did nothing", { result: { ...result, hashedBy: { 1: 10 } } }],
    ["which is not 10", { result: { ...result, hashedBy: { 1: 6, 2: 3 } } }],
    ["server 1 was not ended by SIGKILL", { firstServerEndedBy: null }],
    ["server 1 was not killed half-way", { doneAtKill: 0 }],
    ["server 1 was not killed half-way", { doneAtKill: 10 }],
  ])("names the problem: %s", (problem, change) => {
    expect(problemsOf({ ...good, ...change }).join("\n")).toContain(problem);
  });
});

interface DemoRun {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** The contents of its temporary folder afterwards. */
  leftBehind: string[];
  /** Process ids of the servers that it reported. */
  servers: number[];
}

interface DemoSetting {
  /** The text at which the test interrupts the run. */
  interruptAt?: string;
  /** More environment variables. */
  env?: Readonly<Record<string, string>>;
}

/** Runs the demo as a user does. */
async function demo(args: readonly string[], { interruptAt, env: more }: DemoSetting = {}): Promise<DemoRun> {
  const folder = await mkdtemp(join(scratch, "tmp-"));
  const env = { ...process.env, TMPDIR: folder, TMP: folder, TEMP: folder, NO_COLOR: "1", ...more };
  const child = spawn(process.execPath, [join(repositoryRoot, "tooling/demo/main.ts"), ...args], {
    cwd: repositoryRoot,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    if (interruptAt && stdout.includes(interruptAt)) child.kill("SIGINT");
  });
  const [exitCode] = await once(child, "close");
  const servers = [...new Set([...stdout.matchAll(/\(process (\d+)\)/g)].map(([, pid]) => Number(pid)))];
  return { exitCode, stdout, stderr, leftBehind: await readdir(folder), servers };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Schemas that demos left in a Postgres database. */
async function demoSchemas(url: string): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client
    .query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'demo\\_%'")
    .finally(() => client.end());
  return rows.map(({ nspname }) => nspname);
}

/** Keys that demos left in a Redis server. */
async function demoKeys(url: string): Promise<string[]> {
  const redis = new Redis(url);
  try {
    return await redis.keys("{demo_*");
  } finally {
    redis.disconnect();
  }
}
