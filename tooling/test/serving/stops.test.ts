import { ANY_OWNER, type TaskStore, TaskStoreError } from "@mcp-task-store/core";
import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { aborted } from "../fixtures/events.ts";
import { withMethods } from "../fixtures/stores.ts";
import { Gate, type Instance, type InstanceOptions, instance, text } from "./support/instance.ts";

const NEVER = 2 ** 31 - 1;
const LOST = { code: -32603, message: expect.stringContaining("lost") };
const STOPPED = { code: -32603, message: expect.stringContaining("stopped") };

describe.each(["rerun", "fail"] as const)("an orderly stop with onLost: %s", (onLost) => {
  let storage: MemoryStorage;
  let store: TaskStore;
  let begun: Gate;
  /** The server of each run that began. */
  let runs: string[];
  let skipped: number;
  const instances: Instance[] = [];

  function serve(name: string, options: InstanceOptions = {}): Instance {
    const made = instance(
      new MemoryTaskStore({ storage, fallbackPollMs: 20, sweepIntervalMs: false }),
      (tasks, server) => {
        const work = async (_: unknown, { signal }: { signal: AbortSignal }) => {
          runs.push(name);
          if (name !== "first") return text(name);
          begun.open();
          throw await aborted(signal);
        };
        tasks.registerTool(server, "here", { onLost, task: "required" }, work);
        tasks.registerTool(server, "worker", { onLost, runs: "worker" }, work);
        tasks.registerTool(server, "early", { onLost, answerWithinMs: 1 }, work);
        tasks.registerTool(server, "window", { onLost, answerWithinMs: NEVER }, async (_, task) => {
          runs.push(name);
          if (name !== "first") return text(name);
          begun.open();
          await stopped.promise;
          // Now the call becomes a task, of a server that has stopped.
          return text((await task.elicit({ message: "?", requestedSchema: {} })).action);
        });
        tasks.registerTool(server, "stubborn", { onLost, task: "required" }, async (_, { signal }) => {
          begun.open();
          await aborted(signal);
          return text("done all the same");
        });
      },
      { worker: false, ...options },
    );
    instances.push(made);
    return made;
  }
  let stopped: PromiseWithResolvers<void>;

  beforeEach(() => {
    skipped = 0;
    storage = new MemoryStorage({ clock: { now: () => Date.now() + skipped } });
    store = new MemoryTaskStore({ storage, fallbackPollMs: 20, sweepIntervalMs: false });
    begun = new Gate();
    stopped = Promise.withResolvers();
    runs = [];
  });
  afterEach(async () => {
    stopped.resolve();
    await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
    await store.close();
  });

  /** Checks the end of a task that the first server began. */
  async function ends(taskId: string, error = STOPPED): Promise<void> {
    const last = serve("second", { worker: { claimPollMs: 5 } });
    last.newServer();
    await using _worker = last.tasks.startWorker();
    await store.waitForTask(taskId, { owner: ANY_OWNER });
    const task = await last.peer().task(taskId);
    if (onLost === "fail") expect(task).toMatchObject({ status: "failed", error });
    else expect(task).toMatchObject({ status: "completed", result: text("second") });
    expect(runs).toEqual(onLost === "fail" ? ["first"] : ["first", "second"]);
  }

  test.each(["here", "early"])("reruns or fails the task of a stopped server (%s)", async (name) => {
    const server = serve("first");
    const { taskId } = await server.peer().start(name);
    await begun.pass();
    await server.tasks.close();
    await ends(taskId);
  });

  test("reruns or fails the task of a stopped worker", async () => {
    const server = serve("first");
    server.newServer();
    const worker = server.tasks.startWorker();
    const { taskId } = await server.peer().start("worker");
    await begun.pass();
    await worker.stop();
    await ends(taskId);
  });

  test("reruns or fails the task of a closed extension's worker", async () => {
    const server = serve("first");
    server.newServer();
    server.tasks.startWorker();
    const { taskId } = await server.peer().start("worker");
    await begun.pass();
    await server.tasks.close();
    await ends(taskId);
  });

  test("reruns or fails a call that becomes a task after the stop", async () => {
    const server = serve("first");
    const call = server.peer().start("window");
    await begun.pass();
    await server.tasks.close();
    stopped.resolve();
    const { taskId } = await call;
    await ends(taskId);
  });

  test("is also the rule for a process that died as the call became a task", async () => {
    const dead = Promise.withResolvers<never>();
    dead.promise.catch(() => undefined);
    const server = serve("first", {
      store: withMethods(new MemoryTaskStore({ storage }), { acquireLease: () => dead.promise }),
    });
    const { taskId } = await server.peer().start("early");
    await begun.pass();
    skipped = 30_001;
    await ends(taskId, LOST);
    dead.reject(new TaskStoreError("TASK_TERMINAL", "It has ended"));
  });

  test("waits for work that ignores its signal, and keeps its result", async () => {
    const server = serve("first");
    const { taskId } = await server.peer().start("stubborn");
    await begun.pass();
    await server.tasks.close();
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("done all the same"));
  });

  test("leaves later calls to other servers at once", async () => {
    const server = serve("first");
    await server.tasks.close();
    const { taskId } = await server.peer().start("here");
    const other = serve("second", { worker: { claimPollMs: 5 } });
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("second"));
    expect(runs).toEqual(["second"]);
    expect(other.errors).toEqual([]);
  });
});
