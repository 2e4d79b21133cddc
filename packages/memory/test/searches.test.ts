import { MemoryStorage, MemoryTaskStore, type TaskStatus } from "@mcp-task-store/memory";
import { expect, test } from "vitest";

const ENDS = [undefined, "failed", "completed", "cancelled"] as const;

test("searches for few active and failed tasks have what began, ended, expired or was removed since the first one", async () => {
  let time = Date.now();
  const storage = new MemoryStorage({ clock: { now: () => time } });
  await using store = new MemoryTaskStore({ storage, sweepIntervalMs: false });
  const active: string[] = [];
  const failed: string[] = [];
  const create = async (ttl: number | null = null) => (await store.createTask({ name: "render", ttl })).taskId;
  const end = (taskId: string, status: Exclude<TaskStatus, "working">) => store.updateTask(taskId, { status });
  const check = async () => {
    for (const [status, ids] of [
      ["active", active],
      ["failed", failed],
    ] as const) {
      for (const order of ["oldest", "newest"] as const) {
        const found: string[] = [];
        for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
          const page = await store.operations.listRecords({ where: { status }, order, limit: 3, cursor });
          found.push(...page.records.map(({ task }) => task.taskId));
          cursor = page.nextCursor;
          // No other task was looked at.
          expect(page.scanned).toBeLessThanOrEqual(active.length + failed.length);
        }
        expect(found).toEqual(order === "oldest" ? ids : ids.toReversed());
      }
    }
  };
  for (let index = 0; index < 500; index += 1) await end(await create(), "completed");
  for (let round = 0; round < 40; round += 1) {
    const status = ENDS[round % ENDS.length];
    const taskId = await create(round % 3 === 0 ? 1000 : null);
    active.push(taskId);
    if (round % 4 === 0) await check();
    if (status !== undefined) {
      active.splice(active.indexOf(taskId), 1);
      await end(taskId, status);
      if (status === "failed") failed.push(taskId);
    }
    const ended = round % 5 === 0 ? failed.shift() : undefined;
    if (ended !== undefined) await store.operations.removeTasks({ id: ended });
    const late = round % 7 === 0 ? active.shift() : undefined;
    if (late !== undefined) await end(late, "completed");
    await check();
  }
  time += 2000;
  const lasting = async (ids: string[]) => {
    const there = await Promise.all(ids.map((taskId) => store.getTask(taskId)));
    ids.splice(0, ids.length, ...ids.filter((_, index) => there[index]));
  };
  await lasting(active);
  await lasting(failed);
  await check();
});
