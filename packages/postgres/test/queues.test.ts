import type { QueuedMessage } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { expect, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { poolOf, sql } from "./support/sql.ts";

// A statement sees what was committed when it began. While it waits for a lock, more is committed.

const database = useDatabase();

const message = (timestamp: number): QueuedMessage => ({
  type: "notification",
  timestamp,
  message: { jsonrpc: "2.0", method: "notifications/message" },
});

/** How many statements wait for a lock. */
async function waitingStatements(): Promise<number> {
  const waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
  return (await sql(database.url, waiting)).length;
}

/** Runs a statement in a transaction that stays open. Returns what commits it. */
async function holding(statement: string): Promise<() => Promise<void>> {
  const client = await poolOf(database.url).connect();
  await client.query("BEGIN");
  await client.query(statement);
  return async () => {
    await client.query("COMMIT");
    client.release();
  };
}

async function untilWaiting(many: number): Promise<void> {
  await expect.poll(waitingStatements).toBe(many);
}

test.each(["dequeue", "dequeueAll"] as const)(
  "%s finds what came while it waited for another consumer",
  async (call) => {
    await using store = new PostgresTaskStore({ connectionString: database.url });
    await store.messages.enqueue(call, message(1));
    const commit = await holding(`DELETE FROM mcp_tasks.task_messages WHERE task_id = '${call}'`);
    const found = store.messages[call](call);
    await untilWaiting(1);
    await using other = new PostgresTaskStore({ connectionString: database.url });
    await other.messages.enqueue(call, message(2));
    await commit();
    // The queue was never empty.
    expect([await found].flat()).toEqual([message(2)]);
  },
);

test("dequeueAll takes all of a queue or none", async () => {
  await using store = new PostgresTaskStore({ connectionString: database.url });
  for (const number of [1, 2]) await store.messages.enqueue("queue", message(number));
  const commit = await holding("DELETE FROM mcp_tasks.task_messages WHERE task_id = 'queue' AND body LIKE '%:1,%'");
  const found = store.messages.dequeueAll("queue");
  await untilWaiting(1);
  await using other = new PostgresTaskStore({ connectionString: database.url });
  await other.messages.enqueue("queue", message(3));
  await commit();
  expect(await found).toEqual([message(2), message(3)]);
});

test("a queue is not full while another consumer takes from it", async () => {
  await using store = new PostgresTaskStore({ connectionString: database.url });
  for (const number of [1, 2]) await store.messages.enqueue("full", message(number));
  const commit = await holding("DELETE FROM mcp_tasks.task_messages WHERE task_id = 'full' AND body LIKE '%:1,%'");
  // After what the consumer takes, in the order of all calls.
  const added = store.messages.enqueue("full", message(3), undefined, 2);
  added.catch(() => undefined);
  await untilWaiting(1);
  await commit();
  await added;
  expect(await store.messages.dequeueAll("full")).toEqual([message(2), message(3)]);
});

test("dequeueAll takes a message that filled the queue while the call waited", async () => {
  await using store = new PostgresTaskStore({ connectionString: database.url });
  await store.messages.enqueue("filled", message(1));
  const commit = await holding("SELECT FROM mcp_tasks.task_messages WHERE task_id = 'filled' FOR SHARE");
  const found = store.messages.dequeueAll("filled");
  await untilWaiting(1);
  await using other = new PostgresTaskStore({ connectionString: database.url });
  const answers: string[] = [];
  const add = async (number: number) => {
    const answer = other.messages.enqueue("filled", message(number), undefined, 2);
    await answer.then(
      () => answers.push("added"),
      ({ code }) => answers.push(code),
    );
  };
  const added = add(2).then(() => add(3));
  // The calls have answers, or the first of them waits for the consumer.
  await expect.poll(async () => answers.length === 2 || (await waitingStatements()) === 2).toBe(true);
  await commit();
  await added;
  const left = await store.messages.dequeueAll("filled");
  const [taken, full] = [await found, answers[1] === "QUEUE_FULL"];
  // Full means that there were two, and then the consumer takes both.
  expect(full ? taken : [...taken, ...left]).toEqual(full ? [message(1), message(2)] : [1, 2, 3].map(message));
});

test("no claim returns a task twice, even if its lease lapses during the claim", async () => {
  await using store = new PostgresTaskStore({ connectionString: database.url });
  await store.createTask({ name: "short", claimAfterMs: 0 });
  let taken = 0;
  for (let round = 0; round < 30; round += 1) {
    // After a first claim, claims look from where it found something, and then from the start.
    const claimed = await store.claimTasks({ names: ["short"], limit: 3, leaseMs: 1 });
    taken += claimed.length;
    expect(claimed.map(({ lease }) => lease.attempt)).toEqual(claimed.length === 0 ? [] : [taken]);
  }
});
