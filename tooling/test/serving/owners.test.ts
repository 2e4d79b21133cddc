import type { TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { FORM, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";
import { type Answer, type Json, type Peer, withoutId } from "./support/rpc.ts";

/** Every method that names a task, in both generations. */
const REQUESTS: readonly [string, (peer: Peer, taskId: string) => Promise<Answer>][] = [
  ["tasks/get", (peer, taskId) => peer.get(taskId)],
  ["tasks/update", (peer, taskId) => peer.update(taskId, { name: { action: "decline" } })],
  ["tasks/update with nonsense", (peer, taskId) => peer.update(taskId, "nonsense")],
  ["tasks/cancel", (peer, taskId) => peer.cancel(taskId)],
  ["tasks/get of 2025-11-25", (peer, taskId) => peer.askOld("tasks/get", { taskId })],
  ["tasks/result of 2025-11-25", (peer, taskId) => peer.askOld("tasks/result", { taskId })],
  ["tasks/cancel of 2025-11-25", (peer, taskId) => peer.askOld("tasks/cancel", { taskId })],
];

describe.each(stores)("owners over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let server: Instance;

  function serve(on: TaskStore, options: InstanceOptions = {}): Instance {
    return instance(
      on,
      (tasks, mcp) => {
        tasks.registerTool(mcp, "ask", { ttl: 60_000, task: "required" }, async (_, task) => {
          const { action } = await task.elicit(FORM, { key: "name" });
          return text(action);
        });
      },
      options,
    );
  }

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    server = serve(store);
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  async function unknown(peer: Peer): Promise<string[]> {
    return Promise.all(REQUESTS.map(async ([, request]) => withoutId(await request(peer, "0".repeat(32)))));
  }

  async function answers(peer: Peer, taskId: string): Promise<string[]> {
    return Promise.all(REQUESTS.map(async ([, request]) => withoutId(await request(peer, taskId))));
  }

  test("an unknown id is -32602 everywhere", async () => {
    for (const [name, request] of REQUESTS)
      expect((await request(server.peer("Ada"), "unknown")).error, name).toEqual({
        code: -32602,
        message: "Task not found",
      });
  });

  test("an expired id looks like an unknown one", async () => {
    const ada = server.peer("Ada");
    const { taskId } = await ada.start("ask");
    expect((await ada.get(taskId)).error).toBeUndefined();
    await place.skip(60_001);
    expect(await answers(ada, taskId)).toEqual(await unknown(ada));
  });

  test("a foreign id looks like an unknown one, and foreign answers and cancellations do nothing", async () => {
    const [ada, bob, nobody] = [server.peer("Ada"), server.peer("Bob"), server.peer()];
    const [adas, anonymous] = await Promise.all([ada.start("ask"), nobody.start("ask")]);
    const owned = { owner: '["client","Ada"]' };
    await store.waitForTask(adas.taskId, { until: ["input_required"], ...owned });
    expect(await answers(bob, adas.taskId)).toEqual(await unknown(bob));
    expect(await answers(nobody, adas.taskId)).toEqual(await unknown(nobody));
    expect(await answers(ada, anonymous.taskId)).toEqual(await unknown(ada));
    expect(await ada.task(adas.taskId)).toMatchObject({ status: "input_required" });
    // Anonymous callers share tasks whose ids they know.
    expect(await server.peer().task(anonymous.taskId)).toMatchObject({ taskId: anonymous.taskId });
    expect((await ada.update(adas.taskId, { name: { action: "decline" } })).error).toBeUndefined();
    expect(await store.waitForResult(adas.taskId, owned)).toEqual(text("decline"));
  });

  test("each owner lists its own tasks, and an anonymous caller lists none", async () => {
    const [ada, bob, nobody] = [server.peer("Ada"), server.peer("Bob"), server.peer()];
    const adas = [await ada.startOld("ask"), await ada.start("ask")].map(({ taskId }) => taskId);
    await nobody.start("ask");
    const { tasks } = (await ada.askOld("tasks/list", {})).result as { tasks: Json[] };
    expect(tasks.map(({ taskId }) => taskId)).toEqual(adas);
    expect((await bob.askOld("tasks/list", {})).result).toEqual({ tasks: [] });
    expect((await nobody.askOld("tasks/list", {})).error).toMatchObject({ code: -32600 });
    // 2026-07-28 has neither method.
    for (const method of ["tasks/list", "tasks/result"])
      expect((await ada.ask(method, { taskId: adas[0] })).error).toMatchObject({ code: -32601 });
    expect((await ada.askOld("tasks/update", { taskId: adas[0], inputResponses: {} })).error).toMatchObject({
      code: -32601,
    });
  });

  test("a caller that waits for the result learns of expiry, cancellation and the end", async () => {
    const inner = place.open();
    const watched = counted(inner);
    await using other = serve(watched.store, { worker: false });
    const peer = other.peer("Ada");
    const owned = { owner: '["client","Ada"]' };
    // These tasks have no runner.
    const make = async () => (await store.createTask({ ttl: 60_000 }, 1, { method: "tools/call" }, owned)).taskId;
    // An object, since an async function would await a returned promise.
    const wait = async (taskId: string) => {
      const answer = peer.askOld("tasks/result", { taskId });
      await watched.reaches(1);
      // All waits on a handle end together, so the caller's wait has ended by then.
      await inner.waitForTask(taskId, { ...owned, until: "change" });
      return { answer };
    };
    const ids = [await make(), await make(), await make()] as const;
    const cancelled = await wait(ids[0]);
    await store.cancelTask(ids[0], owned);
    expect((await cancelled.answer).error).toMatchObject({ code: -32602 });
    await watched.reaches(0);
    const done = await wait(ids[1]);
    await store.finishTask(ids[1], { status: "completed", result: text("done") }, owned);
    expect((await done.answer).result).toMatchObject(text("done"));
    await watched.reaches(0);
    const expired = await wait(ids[2]);
    await place.skip(60_001);
    expect((await expired.answer).error).toEqual({ code: -32602, message: "Task not found" });
    await watched.reaches(0);
  });

  test("the application may map callers to owners", async () => {
    await using other = serve(place.open(), {
      worker: false,
      owner: ({ request, authInfo }) => request?.headers.get("x-tenant") ?? authInfo?.clientId,
    });
    const tenant = (name: string | undefined) => {
      const peer = other.peer("Ada");
      const send = peer.post.bind(peer);
      peer.post = (body, headers, signal) => send(body, name ? { ...headers, "x-tenant": name } : headers, signal);
      return peer;
    };
    const { taskId } = await tenant("north").start("ask");
    expect(await tenant("north").task(taskId)).toMatchObject({ taskId });
    expect(await answers(tenant("south"), taskId)).toEqual(await unknown(tenant("south")));
    expect(await answers(tenant(undefined), taskId)).toEqual(await unknown(tenant(undefined)));
    expect(await store.getTask(taskId, { owner: "north" })).toMatchObject({ taskId });
    // No application can map a caller to the anonymous owner.
    expect((await tenant("(anonymous)").get(taskId)).error).toMatchObject({ code: -32603 });
    const listen = await tenant("(anonymous)").ask("subscriptions/listen", { notifications: { taskIds: [taskId] } });
    expect(listen.error).toMatchObject({ code: -32603 });
    expect(other.errors.splice(0).map(String)).toEqual([expect.stringContaining("TypeError")]);
  });
});
