import { randomUUID } from "node:crypto";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { describe, expect, onTestFinished, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { newSchema, poolOf } from "./support/sql.ts";

// Under every default isolation level, exactly as many concurrent writes succeed as the rules
// allow. Each of the others rejects with the reason.

const database = useDatabase();
const request = { method: "tools/call", params: { name: "grind" } };
const times = <T>(count: number, call: (index: number) => Promise<T>) =>
  Promise.allSettled(Array.from({ length: count }, (_, index) => call(index)));
const codes = (outcomes: PromiseSettledResult<unknown>[]) =>
  outcomes.map((each) => (each.status === "fulfilled" ? "done" : each.reason.code)).toSorted();

describe.each(["read committed", "repeatable read", "serializable"])("%s", (level) => {
  async function stores(limits = {}): Promise<[PostgresTaskStore, PostgresTaskStore]> {
    const schema = newSchema();
    const pools = [1, 2].map(() =>
      poolOf(database.url, { options: `-c default_transaction_isolation=${level.replace(" ", "\\ ")}` }),
    );
    const both = pools.map((pool) => new PostgresTaskStore({ pool, schema, limits, sweepIntervalMs: false }));
    onTestFinished(async () => {
      await Promise.all(both.map((store) => store.close()));
    });
    await both[0]?.listTasks();
    return both as [PostgresTaskStore, PostgresTaskStore];
  }

  test("one of many terminal writes wins", async () => {
    const [one, two] = await stores();
    for (let round = 0; round < 5; round += 1) {
      const { taskId } = await one.createTask({}, 1, request);
      const outcomes = await times(24, (index) =>
        (index % 2 ? one : two).storeTaskResult(taskId, "completed", { index }),
      );
      expect(codes(outcomes)).toEqual([...Array(23).fill("TASK_TERMINAL"), "done"]);
      const winner = outcomes.findIndex(({ status }) => status === "fulfilled");
      expect(await two.getTaskResult(taskId)).toEqual({ index: winner });
    }
  });

  test("concurrent changes are all kept", async () => {
    const [one, two] = await stores();
    const { taskId } = await one.createTask({}, 1, request);
    const outcomes = await times(24, (index) =>
      (index % 2 ? one : two).updateTaskStatus(taskId, "working", `${index}`),
    );
    expect(codes(outcomes)).toEqual(Array(24).fill("done"));
    expect(await one.getRecord(taskId)).toMatchObject({ revision: 25 });
  });

  test("a cap of N admits exactly N tasks", async () => {
    const [one, two] = await stores({ activeTasks: 7, activeTasksPerOwner: 4 });
    const outcomes = await times(40, (index) =>
      (index % 2 ? one : two).createTask({}, 1, request, `owner${index % 3}`),
    );
    expect(codes(outcomes)).toEqual([...Array(33).fill("LIMIT_EXCEEDED"), ...Array(7).fill("done")]);
  });

  test("an id is created once", async () => {
    const [one, two] = await stores();
    const taskId = randomUUID();
    expect(codes(await times(20, (index) => (index % 2 ? one : two).createTask({ taskId }, 1, request)))).toEqual([
      ...Array(19).fill("TASK_EXISTS"),
      "done",
    ]);
  });

  test("concurrent claims by name take each task once and leave none", async () => {
    const [one, two] = await stores();
    const names = ["a", "b", "c"];
    for (let index = 0; index < 12; index += 1)
      await one.createTask({ claimAfterMs: 0 }, 1, { method: names[index % 3] as string });
    const claims = await times(20, (index) => (index % 2 ? one : two).claimTask({ names }));
    const taken = claims.flatMap((each) =>
      each.status === "fulfilled" && each.value ? [each.value.lease.taskId] : [],
    );
    expect(codes(claims)).toEqual(Array(20).fill("done"));
    expect(taken).toHaveLength(12);
    expect(new Set(taken).size).toBe(12);
  });

  test("a queue fills to its limit, and each message comes out once", async () => {
    const [one, two] = await stores();
    const push = (index: number) =>
      (index % 2 ? one : two).messages.enqueue(
        "queue",
        { type: "notification", message: { jsonrpc: "2.0", method: `m${index}` }, timestamp: index },
        undefined,
        9,
      );
    expect(codes(await times(20, push))).toEqual([...Array(11).fill("QUEUE_FULL"), ...Array(9).fill("done")]);
    const taken = await times(12, (index) => (index % 2 ? one : two).messages.dequeue("queue"));
    const messages = taken.flatMap((each) => (each.status === "fulfilled" && each.value ? [each.value.timestamp] : []));
    expect(new Set(messages).size).toBe(9);
    expect(messages).toHaveLength(9);
  });
});
