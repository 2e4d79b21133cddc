import type { TaskStore } from "@mcp-task-store/core";
import { ANY_OWNER } from "@mcp-task-store/core";
import { ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { FORM, Gate, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";
import { MISSING_CAPABILITY, type Peer, PLAIN } from "./support/rpc.ts";

describe.each(stores)("subscriptions/listen over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let runs: TaskStore;
  let a: Instance;
  let b: Instance;
  /** Calls go to one instance, subscriptions to the other. */
  let caller: Peer;
  let listener: Peer;
  let gate: Gate<"return" | "fail">;
  let half: Gate;

  function serve(store: TaskStore, options: InstanceOptions = {}): Instance {
    return instance(
      store,
      (tasks, server) => {
        tasks.registerTool(server, "work", { task: "required" }, async (_, task) => {
          await half.pass(task.signal);
          await task.progress("half-way");
          if ((await gate.pass(task.signal)) === "fail") throw new ProtocolError(-32050, "No luck", { dice: 1 });
          return text("done");
        });
        tasks.registerTool(server, "inline", { task: "never" }, () => ({
          content: [],
          structuredContent: [1] as never,
        }));
        tasks.registerTool(server, "list", { task: "required" }, () => ({
          content: [],
          structuredContent: [1] as never,
        }));
        tasks.registerTool(server, "question", { task: "required" }, async (_, task) => {
          const { content } = await task.elicit(FORM);
          return text(`Hello, ${content?.["name"]}!`);
        });
      },
      { worker: false, ...options },
    );
  }

  beforeEach(async () => {
    place = await newPlace();
    gate = new Gate();
    half = new Gate();
    runs = place.open();
    a = serve(runs);
    b = serve(place.open());
    caller = a.peer();
    listener = b.peer();
  });
  afterEach(async () => {
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  test("sends each state as tasks/get shows it, and ends with the task", async () => {
    const { taskId } = await caller.start("work");
    const stream = await listener.listen([taskId]);
    expect(await stream.acknowledged()).toEqual([taskId]);
    const first = await stream.state();
    expect(first).toEqual(await caller.task(taskId));
    expect(first).toMatchObject({ taskId, status: "working" });
    half.open();
    const message = await stream.state((task) => task["statusMessage"] === "half-way");
    expect(message).toEqual(await caller.task(taskId));
    gate.open("return");
    const last = await stream.state(({ status }) => status !== "working");
    expect(last).toEqual(await caller.task(taskId));
    expect(last).toMatchObject({ status: "completed", result: text("done") });
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("sends questions and errors", async () => {
    const [asking, failing] = await Promise.all([caller.start("question"), caller.start("work")]);
    const stream = await listener.listen([asking.taskId, failing.taskId]);
    expect((await stream.acknowledged()).sort()).toEqual([asking.taskId, failing.taskId].sort());
    const question = await stream.state(({ status }) => status === "input_required");
    expect(question).toEqual(await caller.task(asking.taskId));
    const [[key, request] = []] = Object.entries(question["inputRequests"] as object);
    expect(request).toMatchObject({ method: "elicitation/create", params: FORM });
    await caller.update(asking.taskId, { [`${key}`]: { action: "accept", content: { name: "Ada" } } });
    expect(await stream.state(({ status }) => status === "completed")).toMatchObject({
      taskId: asking.taskId,
      result: text("Hello, Ada!"),
    });
    half.open();
    gate.open("fail");
    const failed = await stream.state(({ status }) => status === "failed");
    expect(failed).toEqual(await caller.task(failing.taskId));
    expect(failed).toMatchObject({ error: { code: -32050, message: "No luck", data: { dice: 1 } } });
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("acknowledges only the caller's own tasks", async () => {
    const [own, foreign] = await Promise.all([a.peer("Ada").start("work"), a.peer("Bob").start("work")]);
    const expired = await runs.createTask({ ttl: 1000 }, 1, { method: "tools/call" }, { owner: '["client","Ada"]' });
    await place.skip(1001);
    const ids = [foreign.taskId, "unknown", own.taskId, expired.taskId, "\0", own.taskId];
    const stream = await b.peer("Ada").listen(ids);
    expect(await stream.acknowledged()).toEqual([own.taskId]);
    expect(await stream.state()).toMatchObject({ taskId: own.taskId });
    half.open();
    gate.open("return");
    await stream.state(({ status }) => status === "completed");
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("ends at once if it has nothing to follow", async () => {
    const stream = await listener.listen(["unknown"]);
    expect(await stream.acknowledged()).toEqual([]);
    expect(await stream.endsGracefully()).toBe(true);
    const none = await listener.listen([]);
    expect(await none.acknowledged()).toEqual([]);
    expect(await none.endsGracefully()).toBe(true);
  });

  test("shows a result as tasks/get does, with the protocol's additions", async () => {
    const { taskId } = await caller.start("list");
    const stream = await listener.listen([taskId]);
    await stream.acknowledged();
    const task = await stream.state(({ status }) => status === "completed");
    expect(task).toEqual(await caller.task(taskId));
    const inline = await caller.ask("tools/call", { name: "inline", arguments: {} });
    const { _meta, ...result } = inline.result as Record<string, unknown>;
    expect(task).toMatchObject({ result });
    expect(result).toMatchObject(text("[1]"));
  });

  test("sends the end of a task that ended before, and ends", async () => {
    const { taskId } = await caller.start("work");
    await caller.cancel(taskId);
    const stream = await listener.listen([taskId]);
    expect(await stream.acknowledged()).toEqual([taskId]);
    expect(await stream.state()).toEqual(await caller.task(taskId));
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("ends when the task expires", async () => {
    const task = await runs.createTask({ ttl: 60_000 }, 1, { method: "tools/call" }, { owner: "(anonymous)" });
    const stream = await listener.listen([task.taskId]);
    expect(await stream.acknowledged()).toEqual([task.taskId]);
    await stream.state();
    await place.skip(60_001);
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("misses no change between the acknowledgement and the first state", async () => {
    const { taskId } = await caller.start("work");
    for (let round = 0; round < 5; round += 1) {
      // The change may come before, during or after the server's read.
      const [stream] = await Promise.all([
        listener.listen([taskId]),
        runs.updateTask(taskId, { statusMessage: `round ${round}` }, { owner: ANY_OWNER }),
      ]);
      await stream.acknowledged();
      await stream.state((task) => task["statusMessage"] === `round ${round}`);
      await stream.leave();
    }
  });

  test("leaves nothing behind after its subscriber left", async () => {
    const watched = counted(place.open());
    await using c = serve(watched.store);
    const { taskId } = await caller.start("work");
    const leaving = new AbortController();
    const streams = [await c.peer().listen([taskId]), await c.peer().listen([taskId], {}, leaving.signal)];
    for (const stream of streams) {
      await stream.acknowledged();
      await stream.state();
    }
    expect(watched.open).toBeGreaterThan(0);
    await streams[0]?.leave();
    leaving.abort();
    await watched.reaches(0);
    // Nor does a subscriber that leaves before its acknowledgement.
    await (await c.peer().listen([taskId])).leave();
    await watched.reaches(0);
  });

  test("needs the capability", async () => {
    const { taskId } = await caller.start("work");
    const params = { notifications: { taskIds: [taskId] } };
    expect((await listener.ask("subscriptions/listen", params, PLAIN)).error).toMatchObject(MISSING_CAPABILITY);
    expect((await listener.ask("subscriptions/listen", params, {})).error).toMatchObject(MISSING_CAPABILITY);
  });

  test("stays open with other notifications, and ends when the handler is closed", async () => {
    const { taskId } = await caller.start("work");
    const stream = await listener.listen([taskId], { toolsListChanged: true });
    expect(await stream.acknowledged()).toEqual([taskId]);
    await stream.state();
    await caller.cancel(taskId);
    expect(await stream.state()).toMatchObject({ status: "cancelled" });
    b.handler.notify.toolsChanged();
    expect(await stream.next()).toMatchObject({ method: "notifications/tools/list_changed" });
    await b.handler.close();
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("ends gracefully when the handler is closed while the task goes on", async () => {
    const { taskId } = await caller.start("work");
    const stream = await listener.listen([taskId]);
    await stream.acknowledged();
    await stream.state();
    await b.handler.close();
    expect(await stream.endsGracefully()).toBe(true);
    expect(await caller.task(taskId)).toMatchObject({ status: "working" });
  });

  test("sends keep-alive comments, so that no proxy closes the stream", async () => {
    await using c = serve(place.open(), { http: { keepAliveMs: 5 } });
    const { taskId } = await caller.start("work");
    const stream = await c.peer().listen([taskId]);
    await stream.acknowledged();
    while (stream.comments.length < 2) await stream.frame();
    await stream.leave();
  });

  test("is limited in tasks per stream and in streams", async () => {
    await using c = serve(place.open(), { maxTasksPerSubscription: 2, maxSubscriptions: 2 });
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) ids.push((await caller.start("work")).taskId);
    const streams = [await c.peer().listen(ids), await c.peer().listen(ids)];
    expect(await streams[0]?.acknowledged()).toEqual(ids.slice(0, 2));
    const refused = await c.peer().ask("subscriptions/listen", { notifications: { taskIds: ids } });
    expect(refused.error).toMatchObject({ code: -32000, data: { code: "LIMIT_EXCEEDED" } });
    await streams[1]?.leave();
    const next = await c.peer().listen(ids);
    await next.acknowledged();
    await next.leave();
    await streams[0]?.leave();
  });
});
