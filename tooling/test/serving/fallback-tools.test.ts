import { ProtocolError } from "@modelcontextprotocol/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { FORM, Gate, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";
import { GENERATIONS, type PlainCall } from "./support/plain-client.ts";
import type { Json } from "./support/rpc.ts";

/** Longer than a test may take. */
const LONG = 600_000;
const UNKNOWN = { isError: true, text: expect.stringContaining("has no task with this taskId") };

describe.each(stores)("fallback tools over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let cleanUp: AsyncDisposableStack;
  let half: Gate;
  let gate: Gate;

  const serve = (store = place.open(), options: InstanceOptions = {}, maxWaitMs = LONG): Instance => {
    const withoutTasks = { task: "required", withoutTasks: "tools", ttl: 60_000 } as const;
    const register = (tasks: Instance["tasks"], server: Parameters<Instance["tasks"]["attach"]>[0]) => {
      tasks.registerFallbackTools(server, { maxWaitMs });
      tasks.registerTool(server, "work", withoutTasks, async (_, task) => {
        await half.pass(task.signal);
        await task.progress("half-way");
        await gate.pass(task.signal);
        return { ...text("done"), structuredContent: { frames: 3 } };
      });
      tasks.registerTool(server, "ask", withoutTasks, async (_, task) => {
        const { action, content } = await task.elicit(FORM, { key: "name" });
        return text(`${action} ${content?.["name"] ?? ""}`);
      });
      tasks.registerTool(server, "ask twice", withoutTasks, async (_, task) => {
        const answers = ["a", "b"].map((key) => task.elicit(FORM, { key }));
        return text((await Promise.all(answers)).map(({ content }) => content?.["name"]).join(" "));
      });
      tasks.registerTool(server, "throws", withoutTasks, () => {
        throw new Error("No paper");
      });
      tasks.registerTool(server, "breaks", withoutTasks, () => {
        throw new ProtocolError(-32050, "No luck");
      });
    };
    return cleanUp.use(instance(store, register, options));
  };

  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    place = cleanUp.use(await newPlace());
    half = new Gate();
    gate = new Gate();
  });
  afterEach(() => cleanUp.disposeAsync());

  const start = async (call: PlainCall, name: string): Promise<string> => {
    const { structured } = await call(name);
    return String(structured["taskId"]);
  };

  describe.each(GENERATIONS)("for clients of $generation without tasks", ({ caller }) => {
    test("a call is answered at once with the task, and names the call that follows", async () => {
      const call = caller(serve().peer("Ada"));
      const made = await call("work");
      const taskId = String(made.structured["taskId"]);
      const next = { tool: "task_result", arguments: { taskId } };
      expect(made).toMatchObject({ isError: false, structured: { taskId, status: "working", ttlMs: 60_000, next } });
      expect(made.text).toContain(`Call task_result with {"taskId":"${taskId}"}`);
      const owned = { owner: '["client","Ada"]' };
      expect(await place.open().getTask(taskId, owned)).toMatchObject({ status: "working" });
      half.open();
      gate.open();
      // The call as the answer names it.
      expect(await call(next.tool, next.arguments)).toEqual({
        isError: false,
        text: "done",
        structured: { frames: 3 },
      });
      expect(await call("task_status", { taskId })).toMatchObject({ structured: { status: "completed", next } });
    });

    test("waitMs ends at the next change, also of another process, and at the end", async () => {
      const call = caller(serve().peer("Ada"));
      const watched = counted(place.open());
      const other = caller(serve(watched.store, { worker: false }).peer("Ada"));
      const taskId = await start(call, "work");
      expect(await other("task_status", { taskId })).toMatchObject({ structured: { status: "working" } });
      const changed = other("task_status", { taskId, waitMs: LONG });
      await watched.reaches(1);
      const result = other("task_result", { taskId, waitMs: LONG });
      await watched.reaches(2);
      half.open();
      expect(await changed).toMatchObject({
        text: expect.stringContaining("still working (half-way)"),
        structured: { status: "working", statusMessage: "half-way" },
      });
      // Progress does not end the wait for the result.
      await watched.reaches(1);
      gate.open();
      expect(await result).toMatchObject({ isError: false, text: "done" });
      await watched.reaches(0);
    });

    test("after waitMs, or maxWaitMs, the answer is the present state", async () => {
      const taskId = await start(caller(serve().peer("Ada")), "work");
      const next = { tool: "task_result", arguments: { taskId } };
      const wait = async (maxWaitMs: number, name: string, args: Json) => {
        const call = caller(serve(place.open(), { worker: false }, maxWaitMs).peer("Ada"));
        const started = performance.now();
        const answer = await call(name, args);
        expect(performance.now() - started).toBeGreaterThanOrEqual(49);
        return answer;
      };
      for (const [maxWaitMs, name, args] of [
        [LONG, "task_status", { taskId, waitMs: 50 }],
        [LONG, "task_result", { taskId, waitMs: 50 }],
        [50, "task_status", { taskId, waitMs: LONG }],
        [50, "task_result", { taskId }],
      ] as const)
        expect(await wait(maxWaitMs, name, args)).toMatchObject({
          isError: false,
          structured: { taskId, status: "working", next },
        });
    });

    test("a model asks the user the task's question, and passes the answer on", async () => {
      const call = caller(serve().peer("Ada"));
      const taskId = await start(call, "ask");
      const asked = await call("task_result", { taskId });
      expect(asked.structured).toMatchObject({
        status: "input_required",
        questions: [{ key: "name", method: "elicitation/create", ...FORM }],
        next: { tool: "task_answer", arguments: { taskId, key: "name" } },
      });
      // Many clients show a model only the text.
      for (const part of ["Your name?", '"required":["name"]', "task_answer"]) expect(asked.text).toContain(part);
      const misfit = await call("task_answer", { taskId, content: { name: 7 } });
      expect(misfit).toMatchObject({
        isError: true,
        text: expect.stringMatching(/does not fit: content.name must be/),
      });
      expect(await call("task_answer", { taskId, key: "age", content: {} })).toMatchObject({
        isError: true,
        text: expect.stringContaining('["name"]'),
      });
      const answered = await call("task_answer", { taskId, content: { name: "Ada" } });
      expect(answered).toMatchObject({ isError: false, text: expect.stringContaining("has been passed on") });
      expect(await call("task_result", { taskId })).toMatchObject({ text: "accept Ada" });
      expect(await call("task_answer", { taskId, content: { name: "Eve" } })).toMatchObject({
        isError: true,
        text: expect.stringContaining("no open question"),
      });
    });

    test("a user may decline, and several questions are told apart by their keys", async () => {
      const call = caller(serve().peer("Ada"));
      const taskId = await start(call, "ask");
      await call("task_result", { taskId });
      await call("task_answer", { taskId, action: "decline" });
      expect(await call("task_result", { taskId })).toMatchObject({ text: "decline " });
      const two = await start(call, "ask twice");
      const owned = { owner: '["client","Ada"]', fields: ["inputRequests"] } as const;
      const store = place.open();
      for (let after = 0, open = 0; open < 2; ) {
        const record = await store.waitForTask(two, { ...owned, until: "change", after });
        after = record.revision;
        open = Object.keys(record.inputRequests).length;
      }
      expect(await call("task_answer", { taskId: two, content: { name: "x" } })).toMatchObject({
        isError: true,
        text: expect.stringContaining('["a","b"]'),
      });
      for (const key of ["b", "a"]) await call("task_answer", { taskId: two, key, content: { name: key } });
      expect(await call("task_result", { taskId: two })).toMatchObject({ text: "a b" });
    });

    test("task_cancel stops the work, and does nothing to a task that has ended", async () => {
      const call = caller(serve().peer("Ada"));
      const taskId = await start(call, "work");
      expect(await call("task_cancel", { taskId })).toMatchObject({
        isError: false,
        structured: { status: "cancelled" },
      });
      expect(await call("task_result", { taskId })).toMatchObject({
        isError: true,
        text: expect.stringContaining("was cancelled and has no result"),
      });
      half.open();
      gate.open();
      const done = await start(call, "work");
      await call("task_result", { taskId: done });
      expect(await call("task_cancel", { taskId: done })).toMatchObject({
        isError: false,
        text: expect.stringContaining("nothing to cancel"),
        structured: { status: "completed" },
      });
      expect(await call("task_result", { taskId: done })).toMatchObject({ text: "done" });
    });

    test("an error of the tool is its result, and a failed task says why", async () => {
      const call = caller(serve().peer("Ada"));
      const thrown = await start(call, "throws");
      expect(await call("task_result", { taskId: thrown })).toMatchObject({ isError: true, text: "No paper" });
      const broken = await start(call, "breaks");
      const failed = { isError: true, text: expect.stringContaining("failed and has no result: No luck") };
      expect(await call("task_result", { taskId: broken })).toMatchObject(failed);
      expect(await call("task_status", { taskId: broken })).toMatchObject({
        isError: false,
        structured: { status: "failed", error: { code: -32050, message: "No luck" } },
      });
    });

    test("a foreign, an expired and an unknown task get the same answer, and nothing happens to a foreign one", async () => {
      const server = serve();
      const [ada, bob, nobody] = [server.peer("Ada"), server.peer("Bob"), server.peer()].map(caller) as [
        PlainCall,
        PlainCall,
        PlainCall,
      ];
      const taskId = await start(ada, "ask");
      await ada("task_result", { taskId });
      for (const [name, more] of [
        ["task_status", { waitMs: LONG }],
        ["task_result", {}],
        ["task_cancel", {}],
        ["task_answer", { content: { name: "Eve" } }],
      ] as const) {
        const unknown = await ada(name, { taskId: "unknown", ...more });
        expect(unknown, name).toMatchObject(UNKNOWN);
        expect(await bob(name, { taskId, ...more }), name).toEqual(unknown);
        expect(await nobody(name, { taskId, ...more }), name).toEqual(unknown);
      }
      expect(await ada("task_status", { taskId })).toMatchObject({ structured: { status: "input_required" } });
      await place.skip(60_001);
      expect(await ada("task_status", { taskId })).toEqual(await ada("task_status", { taskId: "unknown" }));
    });
  });

  test("waits count against maxWaits, beyond it the answer is the state, and closing ends them", async () => {
    const watched = counted(place.open());
    const server = serve(watched.store, { maxWaitsPerOwner: 1, worker: false });
    const [{ caller }] = GENERATIONS as [(typeof GENERATIONS)[0]];
    const call = caller(server.peer("Ada"));
    const taskId = await start(caller(serve().peer("Ada")), "work");
    const held = call("task_result", { taskId, waitMs: LONG });
    await watched.reaches(1);
    expect(await call("task_status", { taskId, waitMs: LONG })).toMatchObject({ structured: { status: "working" } });
    await server.tasks.close();
    expect(await held).toMatchObject({ isError: false, structured: { status: "working" } });
  });

  test("a caller that leaves ends its wait", async () => {
    const watched = counted(place.open());
    const [{ caller }] = GENERATIONS as [(typeof GENERATIONS)[0]];
    const call = caller(serve(watched.store, { worker: false }).peer("Ada"));
    const taskId = await start(caller(serve().peer("Ada")), "work");
    const leaving = new AbortController();
    const gone = call("task_result", { taskId }, leaving.signal).catch(() => undefined);
    await watched.reaches(1);
    leaving.abort();
    await watched.reaches(0);
    await gone;
  });
});
