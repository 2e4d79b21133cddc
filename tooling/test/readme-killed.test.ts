import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { ANY_OWNER, type TaskSnapshot } from "@mcp-task-store/core";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { CallToolResultSchema, CreateTaskResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { repositoryRoot } from "../packages.ts";
import { readmeFences } from "../readmes.ts";
import { ABLE, Peer } from "./serving/support/rpc.ts";

// The first program that a user copies keeps the promise of the first sentence. The test kills it
// with SIGKILL while a tool runs, and the same program on the same file finishes the task.

/** A clock on which the killed process's lease has lapsed. */
const LATER = `const now = Date.now; Date.now = () => now() + 120_000;`;
/** Work that never ends by itself. */
const HANG = "await new Promise(() => undefined);";

let folder: string;
const children: ChildProcess[] = [];
const clients: Client[] = [];
const stores: SqliteTaskStore[] = [];

beforeEach(async () => {
  // Inside tooling/, where every package of the workspace resolves.
  const parent = join(repositoryRoot, "tooling/.scratch");
  await mkdir(parent, { recursive: true });
  folder = await mkdtemp(join(parent, "killed-"));
  await writeFile(join(folder, "later.ts"), LATER);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(stores.splice(0).map((store) => store.close()));
  for (const child of children.splice(0)) await kill(child);
  await rm(folder, { recursive: true, force: true });
});

/** Writes a README's program with some replacements. */
async function write(file: string, code: string, ...replaced: [string, string][]): Promise<string> {
  let text = code;
  for (const [from, to] of replaced) {
    expect(text, "the program is another one by now").toContain(from);
    text = text.replace(from, to);
  }
  await writeFile(join(folder, file), text);
  return file;
}

/** The program of that name, or the first one. */
function programOf(readme: string, file?: string): string {
  const programs = readmeFences().filter((fence) => fence.readme === readme && fence.language === "ts");
  const found = file === undefined ? programs[0] : programs.find((fence) => fence.file === file);
  if (!found) throw new Error(`${readme} has no program ${file}`);
  return found.code;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = spawn(process.execPath, args, { cwd: folder, env: { ...process.env, ...env }, stdio: [...stdio] });
  children.push(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** The test's own handle on the program's file. */
function open(file: string): SqliteTaskStore {
  const store = new SqliteTaskStore({ path: join(folder, file) });
  stores.push(store);
  return store;
}

/** Resolves once the task matches. */
async function until(
  store: SqliteTaskStore,
  taskId: string,
  like: (found: TaskSnapshot["task"]) => boolean,
): Promise<void> {
  for (let after = 0; ; ) {
    const { task, revision } = await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after });
    if (like(task)) return;
    after = revision;
  }
}

describe.each([
  { page: "README.md", file: "server.ts", database: "tasks.db" },
  { page: "tooling/docs/guides/sdk-1.md", file: "server-1.ts", database: "tasks-1.db" },
  { page: "tooling/docs/start/five-minutes.md", file: "server.ts", database: "tasks.db" },
])("$page, $file", ({ page, file, database }) => {
  async function connect(...args: string[]): Promise<{ client: Client; transport: StdioClientTransport }> {
    const transport = new StdioClientTransport({ command: process.execPath, args: [...args, file], cwd: folder });
    const client = new Client({ name: "test", version: "1.0.0" });
    clients.push(client);
    await client.connect(transport);
    return { client, transport };
  }

  test("a task is finished after kill -9", async () => {
    // Long enough for a kill during the work, and short enough to wait for the rest.
    await write(file, programOf(page, file), ["sleep(1000,", "sleep(200,"]);
    const first = await connect();
    const call = { method: "tools/call", params: { name: "count", arguments: {}, task: {} } } as const;
    const { task } = await first.client.request(call, CreateTaskResultSchema);
    await until(open(database), task.taskId, ({ statusMessage }) => statusMessage === "2 of 10");
    const closed = new Promise<void>((resolve) => {
      first.client.onclose = resolve;
    });
    process.kill(Number(first.transport.pid), "SIGKILL");
    await closed;

    const second = await connect("--import", "./later.ts");
    const tasks = second.client.experimental.tasks;
    expect(await tasks.getTaskResult(task.taskId, CallToolResultSchema)).toMatchObject({
      content: [{ text: "counted" }],
    });
    expect(await tasks.getTask(task.taskId)).toMatchObject({ status: "completed", statusMessage: "10 of 10" });
  });
});

test("stores/sqlite.md: a task is finished after kill -9", async () => {
  const code = programOf("tooling/docs/stores/sqlite.md");
  const first = start([await write("usage.ts", code, ["// ... the work ...", `console.log("at work"); ${HANG}`])]);
  const lines = createInterface({ input: first.stdout as NodeJS.ReadableStream });
  expect(await once(lines, "line")).toEqual(["at work"]);
  await kill(first);

  const second = start(["--import", "./later.ts", await write("usage.ts", code)]);
  second.stdout?.resume();
  expect(await once(second, "exit")).toEqual([0, null]);
  const { tasks } = await open("tasks.db").listTasks(undefined, { owner: ANY_OWNER });
  expect(tasks.map(({ status }) => status)).toEqual(["completed", "completed"]);
});

/** A server over HTTP that prints its port. */
async function serve(module: string, args: readonly string[] = []): Promise<{ child: ChildProcess; url: string }> {
  const program = `
    const { http } = await import(${JSON.stringify(module)});
    if (!http.listening) await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
    console.log(http.address().port);`;
  const file = join(folder, "serve.ts");
  await writeFile(file, program);
  const child = start([...args, file], { TASKS_DB: "tasks.db", PORT: "0" });
  const [port] = await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
  return { child, url: `http://127.0.0.1:${port}/mcp` };
}

test("packages/server/README.md: a task is finished after kill -9", async () => {
  const code = programOf("packages/server/README.md", "server.ts");
  await write("server.ts", code, ["// ... render a frame ...", `if (done === 2) ${HANG}`]);
  const first = await serve("./server.ts");
  const { taskId } = await new Peer(first.url).start("render", { frames: 4 });
  const store = open("tasks.db");
  await until(store, taskId, ({ statusMessage }) => statusMessage === "2 of 4");
  await kill(first.child);

  await write("server.ts", code);
  const second = await serve("./server.ts", ["--import", "./later.ts"]);
  await until(store, taskId, ({ status }) => status !== "working");
  expect(await new Peer(second.url).task(taskId)).toMatchObject({
    status: "completed",
    statusMessage: "4 of 4",
    result: { content: [{ type: "text", text: "4 frames" }] },
  });
});

test("packages/server/examples: a task is finished after kill -9", async () => {
  const module = pathToFileURL(join(repositoryRoot, "packages/server/examples/node-http.ts")).href;
  const peerAt = (url: string) =>
    new Peer(url, (request) => {
      request.headers.set("authorization", "Bearer ada");
      return fetch(request);
    });
  const first = await serve(module);
  const { taskId } = await peerAt(first.url).start("render", { frames: 4 });
  const store = open("tasks.db");
  await until(store, taskId, ({ status }) => status === "input_required");
  await kill(first.child);

  const second = await serve(module, ["--import", "./later.ts"]);
  const peer = peerAt(second.url);
  const { inputRequests } = (await peer.task(taskId)) as { inputRequests: Record<string, unknown> };
  const answers = Object.keys(inputRequests).map((key) => [key, { action: "accept", content: {} }]);
  const answer = await peer.ask("tasks/update", { taskId, inputResponses: Object.fromEntries(answers) }, ABLE);
  expect(answer.error).toBeUndefined();
  await until(store, taskId, ({ status }) => status === "completed");
  expect(await peer.task(taskId)).toMatchObject({ result: { structuredContent: { rendered: 4 } } });
});

describe("guides/steps.md, order.ts", () => {
  const LINE = /^\s*(const|await|return|if|console)\b/;

  /** The program with a place before each of its lines where it may be killed. */
  async function writeOrder(): Promise<number> {
    const [imports, program] = [/^import .*$/gm, /^(?!import ).*$/gm].map((lines) =>
      (programOf("tooling/docs/guides/steps.md", "order.ts").match(lines) ?? []).join("\n"),
    ) as [string, string];
    const hook = "let left = Number(process.env.KILL_AT); const at = () => --left || process.kill(process.pid, 9);";
    let places = 0;
    const lines = program.split("\n").map((line) => {
      if (!LINE.test(line)) return line;
      places += 1;
      // The ledger alone would not show a step that is called again although it is kept.
      return `at();${line.replace("const done =", 'await appendFile("calls.txt", what + ";"); const done =')}`;
    });
    await writeFile(join(folder, "order.ts"), `${imports}\n${hook}\n${lines.join("\n")}\nat();`);
    return places;
  }

  async function run(killAt: number, ...args: string[]): Promise<{ killed: boolean; said: string }> {
    const child = start([...args, "order.ts"], { KILL_AT: `${killAt}` });
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    const [code, signal] = await once(child, "close");
    if (signal !== "SIGKILL" && code !== 0) throw new Error(`order.ts ended with ${code}`);
    return { killed: signal === "SIGKILL", said };
  }

  test("an order is paid once and shipped once, wherever its process is killed", async () => {
    expect(await writeOrder()).toBeGreaterThan(10);
    let [place, killed] = [0, true];
    while (killed) {
      place += 1;
      for (const file of ["orders.db", "orders.db-wal", "orders.db-shm", "ledger.txt", "calls.txt"])
        await rm(join(folder, file), { force: true });
      ({ killed } = await run(place));
      // On a clock on which the lease of the killed process has lapsed. Its places are all passed.
      const { said } = killed ? await run(1_000_000, "--import", "./later.ts") : { said: undefined };
      if (said !== undefined) expect(said, `after a kill at place ${place}`).toContain("paid, shipped");
      const calls = (await readFile(join(folder, "calls.txt"), "utf8")).split(";").length - 1;
      expect(calls, `after a kill at place ${place}`).toBeLessThanOrEqual(killed ? 3 : 2);
      const ledger = await readFile(join(folder, "ledger.txt"), "utf8");
      expect(ledger.replace(/ [\w-]{43}$/gm, ""), `after a kill at place ${place}`).toBe("paid\nshipped\n");
    }
    expect(place).toBeGreaterThan(15);
  }, 240_000);
});
