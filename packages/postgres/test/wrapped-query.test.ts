import { PostgresTaskStore } from "@mcp-task-store/postgres";
import pg from "pg";
import { expect, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf } from "./support/sql.ts";

const database = useDatabase();

type Query = (...args: unknown[]) => unknown;

/** Wrappers of `query` as tracers make them. Each takes part in the end of the call. */
const wrappers: Record<string, (query: Query) => Query> = {
  "the callback is replaced by one of the tracer's": (query) =>
    function (this: unknown, ...args) {
      const [first] = args as [{ callback?: Query } | undefined];
      const wrap =
        (callback: Query): Query =>
        (...given) =>
          callback(...given);
      if (typeof first?.callback === "function") first.callback = wrap(first.callback);
      const last = args.at(-1);
      if (typeof last === "function") args[args.length - 1] = wrap(last as Query);
      return query.apply(this, args);
    },
  "the promise is replaced by one that follows it": (query) =>
    function (this: unknown, ...args) {
      const answer = query.apply(this, args);
      return answer instanceof Promise ? answer.then((result: unknown) => result) : answer;
    },
};

test.each(Object.entries(wrappers))("a store works where %s", async (_, wrapper) => {
  class Client extends pg.Client {}
  Client.prototype.query = wrapper(pg.Client.prototype.query as Query) as typeof Client.prototype.query;
  const pool = poolOf(database.url, { Client });
  await using store = new PostgresTaskStore({ pool });
  const { taskId } = await store.createTask({}, 1, { method: "work" });
  const waiting = store.waitForResult(taskId);
  await Promise.all([store.listTasks(), store.updateTask(taskId, { statusMessage: "half-way" })]);
  await store.storeTaskResult(taskId, "completed", { done: true });
  expect(await waiting).toEqual({ done: true });
  await expect(store.updateTask(taskId, { statusMessage: "late" })).rejects.toMatchObject({ code: "TASK_TERMINAL" });
});
