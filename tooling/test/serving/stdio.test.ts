import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { InMemoryTransport, type JSONRPCMessage } from "@modelcontextprotocol/server";
import type { StdioServerHandle } from "@modelcontextprotocol/server/stdio";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { type CountedStore, counted } from "./support/counted.ts";
import { FORM, Gate, type Instance, instance, type Register, text } from "./support/instance.ts";
import { ABLE, envelope, type Json, MISSING_CAPABILITY, PLAIN } from "./support/rpc.ts";
import type { Message } from "./support/stream.ts";

const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** The other end of a pipe to a server. */
class Pipe {
  readonly #transport: InMemoryTransport;
  readonly #messages: Message[] = [];
  #waiting: (() => void)[] = [];
  #lastId = 0;

  constructor(transport: InMemoryTransport) {
    this.#transport = transport;
    transport.onmessage = (message) => {
      this.#messages.push(message as Message);
      for (const wake of this.#waiting.splice(0)) wake();
    };
    void transport.start();
  }

  /** Returns the id of the request. */
  async send(method: string, params: Json, capabilities: object = ABLE): Promise<number> {
    this.#lastId += 1;
    const message = { jsonrpc: "2.0", id: this.#lastId, method, params: { _meta: envelope(capabilities), ...params } };
    await this.#transport.send(message as JSONRPCMessage);
    return this.#lastId;
  }

  async ask(method: string, params: Json, capabilities?: object): Promise<Message> {
    const id = await this.send(method, params, capabilities);
    return this.next((message) => message.id === id);
  }

  notify(method: string, params: Json): Promise<void> {
    return this.#transport.send({ jsonrpc: "2.0", method, params: { _meta: envelope(), ...params } } as JSONRPCMessage);
  }

  /** The first message that passes the test. It is removed, and earlier ones stay. */
  async next(test: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const index = this.#messages.findIndex(test);
      if (index >= 0) return this.#messages.splice(index, 1)[0] as Message;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The next message of a subscription. The acknowledgement is its first. */
  of(id: number): Promise<Message> {
    return this.next(({ params, result }) => {
      const { _meta } = (params ?? result ?? {}) as { _meta?: Json };
      return _meta?.[SUBSCRIPTION] === id;
    });
  }

  async state(id: number, test: (task: Json) => boolean = () => true): Promise<Json> {
    for (;;) {
      const { method, params } = await this.of(id);
      if (method !== "notifications/tasks") throw new Error(`Expected a task, got ${method ?? "the end"}`);
      const { _meta, ...task } = params as Json;
      if (test(task)) return task;
    }
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}

describe.each(stores)("subscriptions/listen on stdio over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let watched: CountedStore;
  let server: Instance;
  let handle: StdioServerHandle;
  let pipe: Pipe;
  /** Holds outgoing acknowledgements back. */
  let hold: Gate | undefined;

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    watched = counted(place.open());
    hold = undefined;
    server = instance(
      watched.store,
      (tasks, mcp) => {
        tasks.registerTool(mcp, "ask", { task: "required", runs: "worker" }, async (_, task) => {
          const { content } = await task.elicit(FORM, { key: "name" });
          return text(`Hello, ${content?.["name"]}!`);
        });
      },
      { maxTasksPerSubscription: 3 },
    );
    const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
    const send = serverSide.send.bind(serverSide);
    serverSide.send = async (message, options) => {
      if ("method" in message && message.method.endsWith("/acknowledged")) await hold?.pass();
      await send(message, options);
    };
    handle = server.tasks.serveStdio(server.newServer, { transport: serverSide });
    pipe = new Pipe(clientSide);
  });
  afterEach(async () => {
    await handle.close();
    await server[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  async function start(): Promise<string> {
    const { result } = await pipe.ask("tools/call", { name: "ask", arguments: {} });
    expect(result).toMatchObject({ resultType: "task", status: "working" });
    return String(result?.["taskId"]);
  }

  const shown = async (taskId: string) => {
    const { resultType, _meta, ...task } = (await pipe.ask("tasks/get", { taskId })).result as Json;
    return task;
  };

  test("sends each state as tasks/get shows it, and ends with the task", async () => {
    const taskId = await start();
    const id = await pipe.send("subscriptions/listen", { notifications: { taskIds: ["unknown", taskId, taskId] } });
    expect(await pipe.of(id)).toMatchObject({
      method: "notifications/subscriptions/acknowledged",
      params: { notifications: { taskIds: [taskId] } },
    });
    expect(await pipe.state(id)).toEqual(await shown(taskId));
    // Another process changes the task.
    await using other = instance(place.open(), (tasks, mcp) => {
      tasks.registerTool(mcp, "ask", { runs: "worker" }, async (_, task) => {
        const { content } = await task.elicit(FORM, { key: "name" });
        return text(`Hello, ${content?.["name"]}!`);
      });
    });
    await using _worker = other.tasks.startWorker();
    const question = await pipe.state(id, ({ status }) => status === "input_required");
    expect(question).toEqual(await shown(taskId));
    expect(question).toMatchObject({ inputRequests: { name: { method: "elicitation/create", params: FORM } } });
    const name = { action: "accept", content: { name: "Ada" } };
    expect(await pipe.ask("tasks/update", { taskId, inputResponses: { name } })).toHaveProperty("result");
    const last = await pipe.state(id, ({ status }) => status === "completed");
    expect(last).toEqual(await shown(taskId));
    expect(last).toMatchObject({ result: text("Hello, Ada!") });
    expect(await pipe.next((message) => message.id === id)).toMatchObject({
      result: { resultType: "complete", _meta: { [SUBSCRIPTION]: id } },
    });
    await watched.reaches(0);
  });

  test("ends when it is cancelled or the pipe closes; with other notifications, only then", async () => {
    const taskId = await start();
    const ids = [
      await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId] } }),
      await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId], toolsListChanged: true } }),
      await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId] } }),
    ] as const;
    for (const id of ids) {
      expect((await pipe.of(id)).params).toMatchObject({ notifications: { taskIds: [taskId] } });
      await pipe.state(id);
    }
    await watched.reaches(3);
    await pipe.notify("notifications/cancelled", { requestId: ids[0] });
    await watched.reaches(2);
    await store.updateTask(taskId, { statusMessage: "on" }, { owner: ANY_OWNER });
    await pipe.state(ids[1], (task) => task["statusMessage"] === "on");
    await pipe.state(ids[2], (task) => task["statusMessage"] === "on");
    await store.cancelTask(taskId, { owner: ANY_OWNER });
    await pipe.state(ids[2], ({ status }) => status === "cancelled");
    await pipe.next(({ id }) => id === ids[2]);
    await pipe.state(ids[1], ({ status }) => status === "cancelled");
    // The second subscription waits for changes of tools.
    const again = await start();
    const last = await pipe.send("subscriptions/listen", { notifications: { taskIds: [again] } });
    await pipe.of(last);
    await watched.reaches(1);
    await pipe.close();
    await watched.reaches(0);
  });

  test("sends nothing before the acknowledgement, even on a slow pipe", async () => {
    const taskId = await start();
    hold = new Gate();
    const held = hold;
    const slow = await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId] } });
    await held.reached;
    hold = undefined;
    const quick = await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId] } });
    await pipe.of(quick);
    await pipe.state(quick);
    await store.updateTask(taskId, { statusMessage: "on" }, { owner: ANY_OWNER });
    await pipe.state(quick, (task) => task["statusMessage"] === "on");
    held.open();
    expect(await pipe.of(slow)).toMatchObject({ method: "notifications/subscriptions/acknowledged" });
    // A change made meanwhile is not lost.
    expect(await pipe.state(slow)).toEqual(await shown(taskId));
  });

  test("needs the capability, keeps its limit of tasks, and ends when the server is closed", async () => {
    const ids = [await start(), await start(), await start(), await start()];
    const refused = await pipe.ask("subscriptions/listen", { notifications: { taskIds: ids } }, PLAIN);
    expect(refused.error).toMatchObject(MISSING_CAPABILITY);
    const id = await pipe.send("subscriptions/listen", { notifications: { taskIds: ids } });
    expect((await pipe.of(id)).params).toMatchObject({ notifications: { taskIds: ids.slice(0, 3) } });
    await watched.reaches(3);
    await handle.close();
    expect(await pipe.next((message) => message.id === id)).toHaveProperty("result");
    await watched.reaches(0);
  });

  test("ends at once for expired and unknown ids", async () => {
    const { taskId } = await store.createTask({ ttl: 1000 }, 1, { method: "tools/call" }, { owner: "(anonymous)" });
    await place.skip(1001);
    const id = await pipe.send("subscriptions/listen", { notifications: { taskIds: [taskId, "unknown"] } });
    expect((await pipe.of(id)).params).toMatchObject({ notifications: { taskIds: [] } });
    expect(await pipe.next((message) => message.id === id)).toHaveProperty("result");
  });
});

test("streams on stdio have a limit, with tasks and without", async () => {
  await using store = new MemoryTaskStore({ sweepIntervalMs: false });
  const register: Register = (tasks, mcp) => tasks.registerTool(mcp, "work", { runs: "worker" }, () => text("done"));
  await using server = instance(store, register, { worker: false, maxSubscriptionsPerOwner: 2 });
  const [client, serving] = InMemoryTransport.createLinkedPair();
  const handle = server.tasks.serveStdio(server.newServer, { transport: serving });
  const pipe = new Pipe(client);
  const listen = (notifications: Json) => pipe.send("subscriptions/listen", { notifications });
  const made = await pipe.ask("tools/call", { name: "work", arguments: {} });
  const [withTasks, plain] = [{ taskIds: [made.result?.["taskId"]] }, { toolsListChanged: true }];
  const open = [await listen(withTasks), await listen(plain)] as const;
  for (const id of open) expect(await pipe.of(id)).toMatchObject({ method: expect.stringMatching(/acknowledged$/) });
  const full = { code: -32000, data: { code: "LIMIT_EXCEEDED" } };
  for (const notifications of [withTasks, plain])
    expect((await pipe.ask("subscriptions/listen", { notifications })).error).toMatchObject(full);
  for (const requestId of open) {
    await pipe.notify("notifications/cancelled", { requestId });
    const again = await listen(plain);
    expect(await pipe.of(again)).toMatchObject({ method: expect.stringMatching(/acknowledged$/) });
  }
  await handle.close();
});
