import KeyvPostgres from "@keyv/postgres";
import KeyvRedis from "@keyv/redis";
import type { Task } from "@mcp-task-store/core";
import type Database from "better-sqlite3";
import { Keyv } from "keyv";
import { type Life, newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";
import { openSqlite, type Place } from "../places.ts";

interface Value {
  task: Task;
  request: unknown;
  result?: unknown;
}

/**
 * A JSON value for each task. A change reads the value and writes it again, so one of two
 * concurrent changes is lost. Each read includes the result. There is no order to list by.
 */
export async function keyvLife(
  place: Exclude<Place, { store: "memory" }>,
  cleanUp: AsyncDisposableStack,
): Promise<Life> {
  const keyv = new Keyv<Value>({ store: storeFor(place, cleanUp), throwOnErrors: true });
  cleanUp.defer(() => keyv.disconnect());
  const change = async (taskId: string, fields: Partial<Task>, result?: unknown) => {
    const value = await keyv.get(taskId);
    if (value === undefined || value.task.status === "completed") throw new Error("the task cannot be changed");
    const task = { ...value.task, ...fields, lastUpdatedAt: new Date().toISOString() };
    await keyv.set(taskId, { ...value, task, ...(result === undefined ? {} : { result }) });
  };
  return {
    async create() {
      const [taskId, now] = [newTaskId(), new Date().toISOString()];
      const task: Task = {
        ...{ taskId, status: "working", ttl: null, createdAt: now, lastUpdatedAt: now, pollInterval: 1000 },
      };
      await keyv.set(taskId, { task, request: REQUEST });
      return taskId;
    },
    progress: (taskId) => change(taskId, { statusMessage: PROGRESS }),
    complete: (taskId) => change(taskId, { status: "completed" }, RESULT),
    get: async (taskId) => (await keyv.get(taskId))?.task ?? null,
    result: async (taskId) => (await keyv.get(taskId))?.result,
  };
}

function storeFor(place: Exclude<Place, { store: "memory" }>, cleanUp: AsyncDisposableStack): unknown {
  switch (place.store) {
    case "sqlite":
      return sqliteAdapter(openSqlite(place, cleanUp));
    case "postgres":
      return new KeyvPostgres({ uri: place.url, max: 10 });
    case "redis":
      return new KeyvRedis(place.url, { namespace: place.prefix });
  }
}

/**
 * The table and the statements of @keyv/sqlite, prepared, by better-sqlite3. Keyv's own driver,
 * sqlite3, has to be compiled if there is no binary for the machine. It is slower, because it works
 * in other threads.
 */
function sqliteAdapter(database: Database.Database) {
  database.exec("CREATE TABLE IF NOT EXISTS keyv (key VARCHAR(255) PRIMARY KEY, value TEXT)");
  const get = database.prepare<[string], { value: string }>("SELECT * FROM keyv WHERE key = ?");
  const set = database.prepare(
    "INSERT INTO keyv (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
  );
  const remove = database.prepare("DELETE FROM keyv WHERE key = ?");
  return {
    opts: { dialect: "sqlite" },
    get: async (key: string) => get.get(key)?.value,
    set: async (key: string, value: string) => set.run(key, value).changes > 0,
    delete: async (key: string) => remove.run(key).changes > 0,
    clear: async () => void database.exec("DELETE FROM keyv"),
    on: () => undefined,
  };
}
