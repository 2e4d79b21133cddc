// Another owner, an anonymous caller and a hostile client get the answer for an unknown id, byte
// for byte, to every message that names a task, over every transport. In the usual run, each
// message comes from some of the strangers. `TEST_ISOLATION=1` sends every message from all.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ANY_OWNER, generateTaskId, type TaskStore, type TaskStoreOptions } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import * as drafted from "@modelcontextprotocol/ext-tasks/core/v2";
import { ClientNotificationSchema, ClientRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer, type StandardSchemaWithJSON, specTypeSchemas } from "@modelcontextprotocol/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { isRelated, MESSAGES, METHODS, OF_SERVERS } from "./isolation/methods.ts";
import * as sdk1 from "./isolation/sdk-1.ts";
import * as sdk2 from "./isolation/sdk-2.ts";
import { stdio } from "./isolation/stdio.ts";
import { type Caller, type Message, OWNER, STRANGERS, type Wire } from "./isolation/wire.ts";

interface Setting {
  readonly make: (store: TaskStore, path: string) => Wire | Promise<Wire>;
  /** The store's options; a file is a store that other processes can open. */
  readonly store?: "file" | typeof sdk1.BY_USER;
  readonly strangers?: readonly Caller[];
  /** The SDK 1.x never answers a request that is a part of a task, unless it has a session. */
  readonly silent?: boolean;
}

/** A server with a user each has no requests of another owner's in its session. */
const alone = STRANGERS.filter(({ intrudes, client }) => !intrudes && client === undefined);
const few = alone.filter(({ name }) => /another user|anonymous|empty/.test(name));
const users = STRANGERS.filter(({ client }) => client === undefined);

const settings: Readonly<Record<string, Setting>> = {
  ...Object.fromEntries(
    Object.entries(sdk2.OWNER_OPTIONS).flatMap(([named, owner]) =>
      (["2026-07-28", "2025-11-25"] as const).map((generation) => [
        `SDK 2.x, HTTP without sessions, ${generation}, ${named}`,
        { make: (store: TaskStore) => sdk2.stateless(store, generation, owner), strangers: owner ? users : STRANGERS },
      ]),
    ),
  ),
  "SDK 2.x, HTTP with sessions": { make: (store) => sdk2.sessions(store) },
  "SDK 2.x, in memory, 2025-11-25": {
    make: (store) => sdk2.inMemory(store, "2025-11-25", "connect"),
    strangers: alone,
  },
  "SDK 2.x, serveStdio in memory, 2025-11-25": {
    make: (store) => sdk2.inMemory(store, "2025-11-25", "serveStdio"),
    strangers: alone,
  },
  "SDK 2.x, serveStdio in memory, 2026-07-28": {
    make: (store) => sdk2.inMemory(store, "2026-07-28", "serveStdio"),
    strangers: alone,
  },
  "SDK 2.x, stdio, 2026-07-28": { make: (_, path) => stdio(path, 2, "2026-07-28"), store: "file", strangers: few },
  "SDK 2.x, stdio, 2025-11-25": { make: (_, path) => stdio(path, 2, "2025-11-25"), store: "file", strangers: few },
  "SDK 1.x, HTTP with sessions, by session": {
    make: (store) => sdk1.streamable(store, { sessions: true }),
    strangers: alone,
  },
  "SDK 1.x, HTTP with sessions, by user": {
    make: (store) => sdk1.streamable(store, { sessions: true }),
    store: sdk1.BY_USER,
    strangers: users,
  },
  "SDK 1.x, HTTP without sessions": {
    make: (store) => sdk1.streamable(store, { sessions: false }),
    store: sdk1.BY_USER,
    strangers: alone,
    silent: true,
  },
  "SDK 1.x, SSE, by session": { make: (store) => sdk1.sse(store), strangers: alone },
  "SDK 1.x, SSE, by user": { make: (store) => sdk1.sse(store), store: sdk1.BY_USER, strangers: alone },
  "SDK 1.x, in memory": {
    make: (store) => sdk1.inMemory(store),
    store: sdk1.BY_USER,
    strangers: alone,
    silent: true,
  },
  "SDK 1.x, stdio": { make: (_, path) => stdio(path, 1, "2025-11-25"), store: "file", strangers: few, silent: true },
};

const BY_USER_OVER_HTTP = "SDK 2.x, HTTP without sessions, 2026-07-28, the user as owner";

async function start(wire: Wire): Promise<string> {
  const task = wire.generation === "2025-11-25" ? { task: { ttl: 600_000 } } : {};
  const message: Message = { method: "tools/call", params: { name: "work", arguments: {}, ...task } };
  const answer = await wire.exchange(OWNER, message, "answer");
  // Notifications of earlier tasks may come with the answer.
  const own = answer.split("\n").find((line) => line.includes('"id":"REQUEST"')) ?? "";
  const id = /"taskId":"([0-9a-f]{32})"/.exec(own)?.[1];
  if (id === undefined) throw new Error(`Expected a task, got ${answer}`);
  return id;
}

const QUESTION = { method: "elicitation/create", params: { mode: "form", message: "Who?", requestedSchema: {} } };

/** Brings tasks into every state. */
const STATES: Readonly<Record<string, (store: TaskStore, taskId: string) => Promise<unknown>>> = {
  working: async () => undefined,
  input_required: (store, taskId) => store.requestInputs(taskId, { name: QUESTION }, { owner: ANY_OWNER }),
  completed: (store, taskId) =>
    store.finishTask(taskId, { status: "completed", result: { content: [] } }, { owner: ANY_OWNER }),
  failed: (store, taskId) =>
    store.finishTask(
      taskId,
      { status: "failed", error: { code: -32_000, message: "It failed" } },
      { owner: ANY_OWNER },
    ),
  cancelled: (store, taskId) => store.cancelTask(taskId, { owner: ANY_OWNER }),
};

/** All that there is to know of the tasks. */
async function everything(store: TaskStore, taskIds: readonly string[]): Promise<unknown> {
  const records = await Promise.all(taskIds.map((taskId) => store.getRecord(taskId, { owner: ANY_OWNER })));
  const operators = await Promise.all(taskIds.map((taskId) => store.operations.getRecord(taskId)));
  return { records, operators };
}

async function scene({ make, store: kind, options }: Setting & { options?: TaskStoreOptions }) {
  const folder = await mkdtemp(join(tmpdir(), "isolation-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "tasks.db");
  const store =
    kind === "file"
      ? new SqliteTaskStore({ path })
      : new MemoryTaskStore({ sweepIntervalMs: false, ...kind, ...options });
  onTestFinished(() => store.close());
  const wire = await make(store, path);
  onTestFinished(() => wire[Symbol.asyncDispose]());
  const taskIds: string[] = [];
  for (const prepare of Object.values(STATES)) {
    const taskId = await start(wire);
    await prepare(store, taskId);
    taskIds.push(taskId);
  }
  return { store, wire, taskIds };
}

const ALL = process.env["TEST_ISOLATION"] === "1";
/** Strangers that send each message in the usual run. */
const SAMPLE = 2;
/** Thousands of messages, on a machine that does other things as well. */
const timeout = ALL ? 3_600_000 : 600_000;

describe.each(Object.entries(settings))("%s", (_, setting) => {
  const { strangers = STRANGERS, silent = false } = setting;

  test("a foreign id is answered as an unknown one, in every method, and nothing changes", { timeout }, async () => {
    const { store, wire, taskIds } = await scene(setting);
    const queued = { type: "notification", message: { method: "notifications/message" }, timestamp: 1 } as const;
    for (const taskId of taskIds) await store.messages.enqueue(taskId, queued as never);
    const before = await everything(store, taskIds);
    const differences: unknown[] = [];
    for (const [row, stranger] of strangers.entries())
      for (const [column, [name, message]] of MESSAGES.entries()) {
        if (!ALL && (row + column * SAMPLE) % strangers.length >= SAMPLE) continue;
        const answerOn = async (taskId: string) => {
          const expects = silent && isRelated(message(taskId)) ? "silence" : "answer";
          return (await wire.exchange(stranger, message(taskId), expects)).replaceAll(taskId, "TASK");
        };
        const unknown = await answerOn(generateTaskId());
        // The strangers take turns with tasks in every state.
        const asked = ALL ? taskIds : [taskIds[(row + column) % taskIds.length] as string];
        for (const taskId of asked) {
          const foreign = await answerOn(taskId);
          if (foreign !== unknown) differences.push({ stranger: stranger.name, name, foreign, unknown });
        }
      }
    expect(differences).toEqual([]);
    expect(await everything(store, taskIds)).toEqual(before);
    for (const taskId of taskIds) expect(await store.messages.dequeueAll(taskId)).toEqual([queued]);
    // The owner gets something else than for an unknown id, so the comparison means something.
    for (const taskId of taskIds)
      expect(await wire.exchange(OWNER, { method: "tasks/get", params: { taskId } }, "answer")).toContain(taskId);
  });
});

const LISTING: Readonly<Record<string, Setting>> = Object.fromEntries(
  Object.entries(settings).filter(([name]) => /2025-11-25, the user|with sessions|SSE|1.x, in memory/.test(name)),
);

describe.each(Object.entries(LISTING))("tasks/list of %s", (_, setting) => {
  test("a stranger lists nothing, and a cursor of the owner is as good as a made-up one", async () => {
    const { wire } = await scene({ ...setting, options: { pageSize: 2 } });
    const list = (caller: Caller, params = {}) => wire.exchange(caller, { method: "tasks/list", params }, "answer");
    const cursor = /"nextCursor":"([^"]+)"/.exec(await list(OWNER))?.[1] as string;
    expect(cursor).toBeDefined();
    const madeUp = cursor.slice(0, -2) + (cursor.endsWith("A") ? "BB" : "AA");
    for (const stranger of setting.strangers ?? STRANGERS) {
      expect(await list(stranger), stranger.name).not.toContain("taskId");
      const answers = [await list(stranger, { cursor }), await list(stranger, { cursor: madeUp })];
      expect(answers[0], stranger.name).toBe(answers[1]);
    }
    expect(await list(OWNER, { cursor })).toContain("taskId");
  });
});

describe("a key to repeat a call", () => {
  test("makes a task of each owner's own", async () => {
    const { wire } = await scene(settings[BY_USER_OVER_HTTP] as Setting);
    const call = { method: "tools/call", params: { name: "keyed", arguments: { key: "order-1" } } } as const;
    const idOf = (answer: string) => /"taskId":"([^"]+)"/.exec(answer)?.[1];
    const own = idOf(await wire.exchange(OWNER, call, "answer"));
    expect(own).toBeDefined();
    expect(idOf(await wire.exchange(OWNER, call, "answer"))).toBe(own);
    // Two strangers who are not authenticated are one owner.
    const others = new Set<string | undefined>();
    for (const stranger of users) others.add(idOf(await wire.exchange(stranger, call, "answer")));
    expect(others).not.toContain(own);
    expect(others.size).toBeGreaterThan(10);
  });
});

describe("the table", () => {
  const known = (methods: Iterable<string>) =>
    [...methods].filter((method) => !(method in METHODS) && !OF_SERVERS.has(method));

  /** The names of methods in JSON schemas. */
  function methodsIn(schema: unknown, found = new Set<string>()): Set<string> {
    if (typeof schema !== "object" || schema === null) return found;
    const name = (schema as { properties?: { method?: { const?: string } } }).properties?.method?.const;
    if (name !== undefined) found.add(name);
    for (const part of Object.values(schema)) methodsIn(part, found);
    return found;
  }

  test("has every method of SDK 1.x", () => {
    const schemas = [...ClientRequestSchema.options, ...ClientNotificationSchema.options];
    const methods = schemas.map(({ shape }) => shape.method.value);
    expect(methods).toContain("tasks/result");
    expect(known(methods)).toEqual([]);
  });

  test("has every method of SDK 2.x", () => {
    const names = Object.keys(specTypeSchemas).filter((name) => /(?:Request|Notification)$/.test(name));
    const schemas = names.map((name) => {
      const schema = specTypeSchemas[name as keyof typeof specTypeSchemas] as StandardSchemaWithJSON;
      return schema["~standard"].jsonSchema.input({ target: "draft-2020-12" });
    });
    const methods = methodsIn(schemas);
    expect(methods).toContain("subscriptions/listen");
    expect(known(methods)).toEqual([]);
  });

  test("has every method of the tasks extension", () => {
    const methods = Object.values(drafted).flatMap((schema) => {
      const method = (schema as { shape?: { method?: { value?: unknown } } }).shape?.method?.value;
      return typeof method === "string" ? [method] : [];
    });
    expect(methods).toContain("tasks/update");
    expect(known(methods)).toEqual([]);
  });

  test("has every method and every tool that the server adds", async () => {
    const store = new MemoryTaskStore();
    onTestFinished(() => store.close());
    const served: string[] = [];
    const tasks = sdk2.extensionOn(store, undefined);
    const server = new McpServer({ name: "isolation", version: "1.0.0" });
    const { server: protocol } = server;
    const set = protocol.setRequestHandler.bind(protocol) as (...of: unknown[]) => void;
    protocol.setRequestHandler = (...of: unknown[]) => {
      served.push(String(of[0]));
      set(...of);
    };
    const tools = Object.values(tasks.registerFallbackTools(server)).length;
    expect(served).toContain("tasks/update");
    expect(known(served)).toEqual([]);
    const called = new Set(MESSAGES.map(([name]) => /^tools\/call (task_\w+)/.exec(name)?.[1]));
    called.delete(undefined);
    expect(called.size).toBe(tools);
    await tasks.close();
  });
});
