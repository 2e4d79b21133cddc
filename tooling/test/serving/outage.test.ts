import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { useDatabase, useKeys } from "../../databases/fixtures.ts";
import { TcpProxy } from "../../databases/proxy.ts";
import { instance, text } from "./support/instance.ts";
import { answerOf, Peer } from "./support/rpc.ts";

const database = useDatabase();
const keys = useKeys();
const quiet = { sweepIntervalMs: false, onError: () => undefined } as const;

/** Stores whose server can be cut off. */
const kinds: readonly { name: string; url: () => string; open: (url: string) => TaskStore }[] = [
  {
    name: "PostgreSQL",
    url: () => database.url,
    open: (connectionString) => new PostgresTaskStore({ connectionString, connectTimeoutMs: 500, ...quiet }),
  },
  {
    name: "Redis",
    url: () => keys.url,
    open: (url) => {
      const client = new Redis(url, { lazyConnect: true, keyPrefix: keys.prefix, retryStrategy: () => 20 });
      client.on("error", () => undefined);
      return new RedisTaskStore({ client, commandTimeoutMs: 500, ...quiet });
    },
  },
];

/** An application on the store, over the network. */
async function serve(store: TaskStore): Promise<Peer> {
  const served = instance(
    store,
    (tasks, mcp) => {
      tasks.registerTool(mcp, "work", { task: "required", runs: "worker" });
    },
    { worker: false },
  );
  const http = createServer().on("request", toNodeHandler(served.handler)).listen(0, "127.0.0.1");
  onTestFinished(async () => {
    http.closeAllConnections();
    http.close();
    served.errors.splice(0);
    await served[Symbol.asyncDispose]();
    await store.close();
  });
  await once(http, "listening");
  return new Peer(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
}

const AWAY = { error: { code: -32603, data: { code: "BACKEND_UNAVAILABLE" } } };

describe.each(kinds)("while $name cannot be reached", ({ url, open }) => {
  test("requests of 2026-07-28 are answered with 503 and Retry-After, and work again afterwards", async () => {
    const proxy = await TcpProxy.start(url());
    onTestFinished(() => proxy.begin());
    const peer = await serve(open(proxy.url));
    const { taskId } = await peer.start("work");
    await proxy.begin();
    for (const [method, params] of [
      ["tasks/get", { taskId }],
      ["tasks/update", { taskId, inputResponses: {} }],
      ["tasks/cancel", { taskId }],
    ] as const) {
      const response = await peer.send(method, params);
      expect([method, response.status, response.headers.get("retry-after")]).toEqual([method, 503, "5"]);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await answerOf(response)).toMatchObject(AWAY);
    }
    // A stream of 2025-11-25 has begun with 200 before the store is asked.
    expect(await peer.askOld("tasks/get", { taskId })).toMatchObject(AWAY);
    await proxy.end();
    await vi.waitFor(async () => expect((await peer.send("tasks/get", { taskId })).status).toBe(200), 10_000);
    expect(await peer.task(taskId)).toMatchObject({ status: "working" });
  });
});

describe("a call whose task was not made", () => {
  test.each([
    ["may be repeated if nothing was written", "STORE_CLOSED", 503],
    ["must not be repeated if its task may exist", "unknown", 200],
  ])("%s", async (_, kind, status) => {
    const store = new MemoryTaskStore({ sweepIntervalMs: false });
    const lost = async () => {
      await MemoryTaskStore.prototype.createTask.call(store, {}, 1, { method: "tools/call" });
      throw Object.assign(new Error("lost"), { name: "TaskStoreError", code: "BACKEND_UNAVAILABLE", write: "unknown" });
    };
    if (kind === "unknown") store.createTask = lost;
    else await store.close();
    const peer = await serve(store);
    const response = await peer.send("tools/call", { name: "work", arguments: {} });
    expect(response.status).toBe(status);
    expect(response.headers.get("retry-after")).toBe(status === 503 ? "5" : null);
    expect((await answerOf(response)).error).toMatchObject({ code: -32603 });
  });

  test("a result of a tool is never 503", async () => {
    const store = new MemoryTaskStore({ sweepIntervalMs: false });
    await using served = instance(store, (tasks, mcp) => {
      tasks.registerFallbackTools(mcp);
      tasks.registerTool(mcp, "done", { task: "never" }, () => text("done"));
    });
    await store.close();
    for (const name of ["done", "task_status"]) {
      const response = await served.peer().send("tools/call", { name, arguments: { taskId: "1" } });
      expect(response.status).toBe(200);
    }
  });
});
