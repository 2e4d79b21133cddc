import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { ANY_OWNER, type TaskStore, type TraceMessage } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { type Instance, instance, type Register, text } from "./support/instance.ts";
import { PLAIN } from "./support/rpc.ts";

const LEASE = "tracing:mcp-task-store.lease:asyncEnd";

/** Resolves once a run has given its task back. */
function givenBack(): Promise<void> {
  return new Promise((resolve) => {
    const ended = (message: unknown) => {
      if ((message as TraceMessage).method !== "releaseLease") return;
      unsubscribe(LEASE, ended);
      resolve();
    };
    subscribe(LEASE, ended);
  });
}

describe.each(stores)("tools that are repeated, over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let server: Instance;
  let ran: string[];

  const retry = { limit: 2, delayMs: 0 };
  const register: Register = (tasks, mcp) => {
    tasks.registerTool(mcp, "recovers", { retry, answerWithinMs: 60_000 }, (_, task) => {
      ran.push(`attempt ${task.failures + 1}`);
      if (task.failures < 2) throw new Error("busy");
      return text("done");
    });
    tasks.registerTool(mcp, "fails", { retry }, (_, { failures }) => {
      throw new Error(`busy ${failures}`);
    });
    tasks.registerTool(mcp, "steps", { answerWithinMs: 60_000 }, async (_, task) => {
      ran.push("run");
      await task.step("pay", () => void ran.push("pay"));
      await task.sleep("nap", 60_000);
      return text(`slept after ${await task.step("look", () => ran.length)} things`);
    });
    tasks.registerTool(mcp, "once", { answerWithinMs: 60_000, onLost: "fail" }, async (_, task) => {
      await task.sleep("nap", 60_000);
      return text("woke up");
    });
    tasks.registerTool(mcp, "brief", {}, async (_, task) => {
      await task.sleep("nap", 1);
      const paid = await task.step("pay", ({ idempotencyKey }) => idempotencyKey.length);
      return text(`paid ${paid}`);
    });
  };

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    ran = [];
    server = instance(place.open(), register, { worker: { claimPollMs: 10 } });
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await place[Symbol.asyncDispose]();
  });

  const result = (taskId: string) => store.waitForResult(taskId, { owner: ANY_OWNER });

  test("the client sees one task that works until an attempt succeeds", async () => {
    const { taskId } = await server.peer().start("recovers");
    expect(await result(taskId)).toMatchObject(text("done"));
    expect(ran).toEqual(["attempt 1", "attempt 2", "attempt 3"]);
  });

  test("the error of the last attempt is the result, as from any tool", async () => {
    const { taskId } = await server.peer().start("fails");
    expect(await result(taskId)).toMatchObject({ ...text("busy 2"), isError: true });
    // SEP-2663: an error of the tool completes the task.
    expect(await server.peer().task(taskId)).toMatchObject({ status: "completed", result: { isError: true } });
  });

  test("a step makes the task of a call that began without one, and a sleep ends its run", async () => {
    const sleeps = givenBack();
    const { taskId } = await server.peer().start("steps");
    await sleeps;
    await place.skip(60_000);
    expect(await result(taskId)).toMatchObject(text("slept after 3 things"));
    expect(ran).toEqual(["run", "pay", "run"]);
  });

  test("a sleep is no lost runner, for a tool that must not run twice", async () => {
    const sleeps = givenBack();
    const { taskId } = await server.peer().start("once");
    await sleeps;
    await place.skip(60_000);
    expect(await result(taskId)).toMatchObject(text("woke up"));
  });

  test("a call that is answered at once runs its steps and waits for its sleeps", async () => {
    const { result } = await server.peer().ask("tools/call", { name: "brief", arguments: {} }, PLAIN);
    expect(result).toMatchObject(text("paid 43"));
    expect((await store.listTasks(undefined, { owner: ANY_OWNER })).tasks).toEqual([]);
  });
});
