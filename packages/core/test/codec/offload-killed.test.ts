import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { TaskStore } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { durableStores } from "../../../../tooling/test/fixtures/stores.ts";
import { isWide } from "../../../../tooling/wide.ts";
import { large, useObjects } from "./support/objects.ts";

const program = fileURLToPath(new URL("support/killed-process.ts", import.meta.url));
const busyProgram = fileURLToPath(new URL("support/busy-process.ts", import.meta.url));

// What is tested lies in core, so the usual run takes one store.
const kinds = isWide ? durableStores : durableStores.slice(0, 1);
const ROUNDS = isWide ? 20 : 1;

describe.each(kinds)("offload by processes that are killed, over $name", (kind) => {
  const objects = useObjects(kind);

  /** Kills a process with SIGKILL when it is between two steps. */
  async function killed(what: string, taskId = ""): Promise<void> {
    const args = [program, JSON.stringify(objects.place.address), objects.folder, what, taskId];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    const [line] = await Promise.race([once(child.stdout, "data"), ended]);
    child.kill("SIGKILL");
    await ended;
    expect(`${line}`).toBe("between\n");
  }

  async function newTask(): Promise<string> {
    const task = await objects.store.createTask({ name: "work", arguments: { text: large("request") } });
    return task.taskId;
  }

  /** The objects that a sweep of another process leaves, before and after the grace. */
  async function sweptTo(before: number, after: number): Promise<void> {
    await objects.sweep();
    expect(objects.files()).toHaveLength(before);
    objects.age();
    await objects.sweep();
    expect(objects.files()).toHaveLength(after);
  }

  test("between the object and the new task: the object goes, and there is no task", async () => {
    await killed("create");
    expect((await objects.other.operations.listRecords()).records).toEqual([]);
    await sweptTo(1, 0);
  });

  test("between the object and the change of the task: the task has what it had", async () => {
    const taskId = await newTask();
    await killed("save", taskId);
    await sweptTo(3, 2);
    const record = await objects.other.getRecord(taskId);
    expect(record?.checkpoint).toEqual({ text: large("first") });
    expect(record?.request?.params).toMatchObject({ arguments: { text: large("request") } });
  });

  test("between the change of the task and the end of the object before: the task has the new one", async () => {
    const taskId = await newTask();
    await killed("replace", taskId);
    await sweptTo(3, 2);
    expect((await objects.other.getRecord(taskId))?.checkpoint).toEqual({ text: large("second") });
  });

  test("between the removal of the task and the end of its objects: they go", async () => {
    const [removed, kept] = [await newTask(), await newTask()];
    await objects.store.cancelTask(removed);
    await killed("remove", removed);
    expect(await objects.other.getTask(removed)).toBeNull();
    await sweptTo(2, 1);
    expect((await objects.other.getRecord(kept))?.request?.params).toMatchObject({
      arguments: { text: large("request") },
    });
  });

  /** Starts a process, and kills it when it has made about so many steps. */
  async function killedAfter(steps: number): Promise<void> {
    const args = [busyProgram, JSON.stringify(objects.place.address), objects.folder];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    let made = 0;
    for await (const text of child.stdout.setEncoding("utf8")) {
      made += text.length;
      // Before the pipe closes, so that the signal ends the process and no failed write.
      if (made >= steps) child.kill("SIGKILL");
    }
    await ended;
    expect(made).toBeGreaterThanOrEqual(steps);
  }

  test("at any moment: payloads are whole, and a sweep leaves no other object", async () => {
    for (let round = 0; round < ROUNDS; round += 1)
      await Promise.all([killedAfter(1 + Math.random() * 80), killedAfter(1 + Math.random() * 80)]);
    const begun = objects.files().length;
    objects.age();
    await objects.sweep();
    let payloads = 0;
    let tasks = 0;
    for await (const { task } of all(objects.other)) {
      tasks += 1;
      expect(task.unreadable).toBeUndefined();
      payloads += [task.request, task.checkpoint, task.result].filter((payload) => payload != null).length;
    }
    expect(objects.files()).toHaveLength(payloads);
    expect(begun).toBeGreaterThanOrEqual(payloads);
    if (isWide) console.log(`${tasks} tasks, ${payloads} payloads, ${begun - payloads} objects to which none referred`);
  }, 600_000);
});

async function* all(store: TaskStore) {
  const fields = ["request", "checkpoint", "result"] as const;
  for (let cursor: string | undefined; ; ) {
    const page = await store.operations.listRecords({ fields, limit: 100, ...(cursor && { cursor }) });
    for (const task of page.records) yield { task };
    cursor = page.nextCursor;
    if (cursor === undefined) return;
  }
}
