// Not portable: what SQLite reads of a foreign task.
import { type BetterSqlite3Database, SqliteTaskStore } from "@mcp-task-store/sqlite";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { CALLS_ON_A_TASK } from "../../../tooling/test/fixtures/foreign.ts";

/** A database that notes each statement with its number of rows. */
function noting(database: Database.Database, notes: string[]): BetterSqlite3Database {
  return {
    memory: database.memory,
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql) => database.exec(sql),
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql);
      return {
        safeIntegers: (toggle) => statement.safeIntegers(toggle),
        run: (...parameters) => statement.run(...parameters),
        get(...parameters) {
          const row = statement.get(...parameters);
          notes.push(`${sql}: ${row === undefined ? 0 : 1}`);
          return row;
        },
        all(...parameters) {
          const rows = statement.all(...parameters);
          notes.push(`${sql}: ${rows.length}`);
          return rows;
        },
      };
    },
  };
}

test.each(["sdk", "strict"] as const)(
  "no statement finds the row of a foreign task, with isolation %s",
  async (isolation) => {
    const notes: string[] = [];
    const database = new Database(":memory:");
    const store = new SqliteTaskStore({ database: noting(database, notes), isolation, sweepIntervalMs: false });
    onTestFinished(async () => {
      await store.close();
      database.close();
    });
    const { taskId } = await store.createTask({}, 1, { method: "x" }, "alice");
    for (const [name, call] of Object.entries(CALLS_ON_A_TASK)) {
      notes.length = 0;
      await call(store, taskId, "bob").catch(() => undefined);
      expect([name, ...notes.filter((note) => note.includes("FROM mcp_tasks t") && !note.endsWith(": 0"))]).toEqual([
        name,
      ]);
    }
    notes.length = 0;
    await store.getTask(taskId, "alice");
    expect(notes).toEqual([expect.stringMatching(/AND .*owner.*: 1$/)]);
  },
);
