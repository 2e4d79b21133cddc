import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { durableStores, type Place } from "../fixtures/stores.ts";
import { Child } from "./support/child.ts";
import { type Instance, instance, text } from "./support/instance.ts";
import { form, registerTools } from "./support/process-tools.ts";
import type { Peer } from "./support/rpc.ts";

const accept = (name: string) => ({ action: "accept", content: { name } });
const LOST = { code: -32603, message: expect.stringContaining("lost") };
const STOPPED = { code: -32603, message: expect.stringContaining("stopped") };

describe.each(durableStores)("a server process over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  let child: Child;
  let peer: Peer;
  const instances: Instance[] = [];

  /** Another server, in this process. */
  function serve(worker: { claimPollMs: number } | false): Instance {
    const made = instance(place.open(), (tasks, mcp) => registerTools(tasks, mcp, () => undefined), { worker });
    instances.push(made);
    return made;
  }

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    // Makes the tables before the other process opens the store.
    await store.listTasks();
    child = new Child(place.address);
    peer = await child.peer();
  });
  afterEach(async () => {
    await child[Symbol.asyncDispose]();
    await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
    await place[Symbol.asyncDispose]();
  });

  async function start(name: string): Promise<string> {
    const { taskId } = await peer.start(name);
    if (name === "work" || name === "once") await child.said({ event: "started", taskId });
    if (name === "quick") await store.waitForTask(taskId, { owner: ANY_OWNER });
    if (name === "ask") await question(taskId, "First?");
    return taskId;
  }

  /** The key of this question, once it is open. */
  async function question(taskId: string, message: string): Promise<string> {
    for (let after = 0; ; ) {
      const { revision } = await store.waitForTask(taskId, { owner: ANY_OWNER, until: ["input_required"], after });
      const record = await store.getRecord(taskId, { owner: ANY_OWNER });
      const [[key, asked] = []] = Object.entries(record?.inputRequests ?? {});
      if (key !== undefined && asked?.params?.["message"] === form(message).message) return key;
      if (record?.claimableAt === undefined) throw new Error(`The task ended: ${JSON.stringify(record)}`);
      after = revision;
    }
  }

  const result = (taskId: string) => store.waitForResult(taskId, { owner: ANY_OWNER });

  test("loses no task in any state when it is killed", async () => {
    const bystander = serve(false).peer();
    const [work, once, cancelled] = [await start("work"), await start("once"), await start("work")];
    const [before, between, during] = [await start("ask"), await start("ask"), await start("ask")];
    const [unborn, unbornOnce, unsaved, quick] = [
      await start("unborn"),
      await start("unborn-once"),
      await start("unsaved"),
      await start("quick"),
    ];
    // These answers and cancels go through a process that does not run the tasks.
    const first = await question(between, "First?");
    await bystander.update(between, { [first]: accept("Ada") });
    const second = await question(between, "Second?");
    await bystander.cancel(cancelled);
    expect(await child.said({ event: "aborted", taskId: cancelled })).toMatchObject({ reason: "TASK_TERMINAL" });
    const all = [work, once, cancelled, before, between, during, unborn, unbornOnce, unsaved, quick];
    const stream = await bystander.listen(all);
    expect(await stream.acknowledged()).toEqual(all);

    await child.kill();
    expect(await bystander.task(work)).toMatchObject({ status: "working", statusMessage: "half-way" });
    expect(await bystander.task(quick)).toMatchObject({ status: "completed", result: text("quick 1") });
    // An answer is kept even while no process runs the task.
    await bystander.update(during, { [await question(during, "First?")]: accept("Grace") });
    const early = await question(before, "First?");
    await place.skip(60_001);
    serve({ claimPollMs: 5 });

    expect(await result(work)).toEqual(text(`attempt 2 after ${child.pid}`));
    expect(await bystander.task((await store.waitForTask(once, { owner: ANY_OWNER })).task.taskId)).toMatchObject({
      status: "failed",
      error: LOST,
    });
    // A task that had not begun has its first run now.
    expect(await result(unborn)).toEqual(text("unborn 1"));
    expect(await result(unbornOnce)).toEqual(text("unborn-once 1"));
    expect(await result(unsaved)).toEqual(text("unsaved 2"));
    expect(await bystander.task(cancelled)).toMatchObject({ status: "cancelled" });
    expect(await question(before, "First?")).toBe(early);
    await bystander.update(before, { [early]: accept("Alan") });
    await bystander.update(before, { [await question(before, "Second?")]: accept("Turing") });
    expect(await result(before)).toEqual(text("Alan Turing"));
    expect(await question(between, "Second?")).toBe(second);
    await bystander.update(between, { [first]: accept("Late"), [second]: accept("Lovelace") });
    expect(await result(between)).toEqual(text("Ada Lovelace"));
    await bystander.update(during, { [await question(during, "Second?")]: accept("Hopper") });
    expect(await result(during)).toEqual(text("Grace Hopper"));

    // The subscriber was connected to neither server, but saw each task end.
    const ends = new Map<unknown, unknown>();
    while (ends.size < all.length) {
      const task = await stream.state(({ status }) => ["completed", "failed", "cancelled"].includes(String(status)));
      ends.set(task["taskId"], task);
    }
    for (const taskId of all)
      expect(ends.get(taskId)).toEqual({
        ...(await bystander.task(taskId)),
        // The test has skipped time, so times differ.
        createdAt: expect.any(String),
        lastUpdatedAt: expect.any(String),
      });
    expect(await stream.endsGracefully()).toBe(true);
  });

  test("gives back its rerunnable tasks and fails the others when it stops", async () => {
    const other = serve({ claimPollMs: 5 }).peer();
    const [work, once, ask] = [await start("work"), await start("once"), await start("ask")];
    const listening = await peer.listen([work]);
    await listening.acknowledged();
    await listening.state();
    const key = await question(ask, "First?");
    await child.close();
    expect(await listening.endsGracefully()).toBe(true);
    expect(await result(work)).toEqual(text(`attempt 1 after ${child.pid}`));
    await store.waitForTask(once, { owner: ANY_OWNER });
    expect(await other.task(once)).toMatchObject({ status: "failed", error: STOPPED });
    expect(await child.said({ event: "aborted", taskId: work }).then(({ reason }) => reason)).toContain("stopped");
    expect(await question(ask, "First?")).toBe(key);
    await other.update(ask, { [key]: accept("Ada") });
    await other.update(ask, { [await question(ask, "Second?")]: accept("Lovelace") });
    expect(await result(ask)).toEqual(text("Ada Lovelace"));
  });
});
