// The time of a call with another owner's id. In the usual run, the databases get and return as
// many bytes for it as for an unknown id. `TEST_TIMING=1` measures both, in turns, and prints the
// difference.
import { randomUUID } from "node:crypto";
import { generateTaskId, type TaskStore } from "@mcp-task-store/core";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { Client } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { useDatabase, useKeys } from "../databases/fixtures.ts";
import { TcpProxy } from "../databases/proxy.ts";
import { CALLS_ON_A_TASK } from "./fixtures/foreign.ts";
import { stores } from "./fixtures/stores.ts";
import { compare } from "./fixtures/two-samples.ts";
import * as sdk2 from "./isolation/sdk-2.ts";

const database = useDatabase();
const keys = useKeys();

const REMOTE: Readonly<Record<string, { address: () => string; open: (url: string) => TaskStore }>> = {
  PostgreSQL: {
    address: () => database.url,
    // Each connection prepares its own statements.
    open: (connectionString) => new PostgresTaskStore({ connectionString, maxConnections: 1, sweepIntervalMs: false }),
  },
  Redis: {
    address: () => keys.url,
    open: (url) => new RedisTaskStore({ url, keyPrefix: keys.prefix, sweepIntervalMs: false }),
  },
};

describe.each(Object.entries(REMOTE))("what %s does", (_, { address, open }) => {
  test("a call with a foreign id sends and receives as many bytes as one with an unknown id", async () => {
    const proxy = await TcpProxy.start(address());
    onTestFinished(() => proxy.begin());
    const store = open(proxy.url);
    onTestFinished(() => store.close());
    const { taskId } = await store.createTask({ ttl: 600_000 }, 1, { method: "x" }, "ada");
    for (const [call, run] of Object.entries(CALLS_ON_A_TASK)) {
      const bytes = async (id: string, owner = "bob") => {
        const before = proxy.traffic;
        await run(store, id, owner).catch(() => undefined);
        const { sent, received } = proxy.traffic;
        return { call, sent: sent - before.sent, received: received - before.received };
      };
      // Statements are prepared when they are used again.
      for (let call = 0; call < 3; call += 1) await bytes(generateTaskId());
      expect(await bytes(taskId)).toEqual(await bytes(generateTaskId()));
    }
    // The owner's own read returns more, so the comparison means something.
    const read = async (owner: string) => {
      const before = proxy.traffic.received;
      await store.getTask(taskId, owner);
      return proxy.traffic.received - before;
    };
    expect(await read("ada")).toBeGreaterThan(await read("bob"));
  });
});

test("PostgreSQL looks at as many rows for a foreign id as for an unknown id", async () => {
  const admin = new Client({ connectionString: database.url });
  await admin.connect();
  onTestFinished(() => admin.end());
  const rowsRead = async (read: (store: TaskStore) => Promise<unknown>) => {
    const connectionString = `${database.url}?application_name=rows`;
    const store = new PostgresTaskStore({ connectionString, maxConnections: 1, sweepIntervalMs: false });
    await read(store);
    await store.close();
    // A connection counts what it has read when it ends, at the latest.
    await expect
      .poll(() => admin.query("SELECT FROM pg_stat_activity WHERE application_name = 'rows'"))
      .toMatchObject({
        rowCount: 0,
      });
    const { rows } = await admin.query(
      "SELECT sum(idx_tup_fetch + seq_tup_read)::int AS count FROM pg_stat_user_tables",
    );
    return rows[0].count as number;
  };
  let taskId = "";
  let counted = await rowsRead(async (store) => {
    taskId = (await store.createTask({ ttl: 600_000 }, 1, { method: "x" }, "ada")).taskId;
  });
  const rowsOf = async (id: () => string, owner: string) => {
    const before = counted;
    counted = await rowsRead(async (store) => {
      for (let read = 0; read < 50; read += 1) await store.getTask(id(), { owner });
    });
    return counted - before;
  };
  const unknown = await rowsOf(generateTaskId, "bob");
  expect(await rowsOf(() => taskId, "bob")).toBe(unknown);
  expect(await rowsOf(() => taskId, "ada")).toBeLessThan(unknown);
});

test("the statistic sees a difference, and none where there is none", () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const sample = (shift: number) => new Float64Array(2000).map(() => Math.floor(100 * random() ** 2) + shift);
  const same = compare({ one: sample(0), other: sample(0) }, random);
  expect(Math.abs(same.z)).toBeLessThan(3);
  expect(same.longer).toBeCloseTo(0.5, 1);
  const shifted = compare({ one: sample(5), other: sample(0) }, random);
  expect(shifted.z).toBeGreaterThan(5);
  expect(shifted.longer).toBeGreaterThan(0.55);
  expect(shifted.interval[0]).toBeGreaterThan(0);
  const equal = new Float64Array(10).fill(7);
  expect(compare({ one: equal, other: equal }, random, 10)).toMatchObject({ difference: 0, longer: 0.5, z: 0 });
});

const READS = 20_000;
const WARM_UP = 2000;
const TASKS = 500;

type Read = (taskId: string) => Promise<unknown>;

/** Ids as a client sends them: strings that this process has not seen before. */
interface Ids {
  readonly one: readonly string[];
  readonly other: readonly string[];
}

function sentIds(next: () => string): string[] {
  return Array.from({ length: WARM_UP + READS }, () => Buffer.from(next()).toString());
}

/** Times reads of two kinds of id in turns, whose order is random within each pair. */
async function times(ids: Ids, read: Read) {
  const samples = { one: new Float64Array(READS), other: new Float64Array(READS) };
  for (let index = 0; index < WARM_UP + READS; index += 1) {
    const kinds: (keyof Ids)[] = Math.random() < 0.5 ? ["one", "other"] : ["other", "one"];
    for (const kind of kinds) {
      const id = ids[kind][index] as string;
      const start = process.hrtime.bigint();
      await read(id);
      const took = Number(process.hrtime.bigint() - start) / 1000;
      if (index >= WARM_UP) samples[kind][index - WARM_UP] = took;
    }
  }
  return samples;
}

describe.runIf(process.env["TEST_TIMING"] === "1")("the time of 20,000 reads", () => {
  const rows: string[][] = [];
  const row = async (name: string, from: { one: () => string; other: () => string }, read: Read) => {
    const ids = { one: sentIds(from.one), other: sentIds(from.other) };
    const { medians, difference, interval, longer, z } = compare(await times(ids, read), Math.random);
    const us = (value: number) => value.toFixed(2);
    rows.push([
      name,
      ...medians.map(us),
      us(difference),
      interval.map(us).join(" to "),
      longer.toFixed(4),
      z.toFixed(2),
    ]);
    console.log(
      `| what | median, µs | median of the other, µs | difference | 95 % | longer | z |\n${rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}`,
    );
  };

  describe.each(stores)("$name", ({ name, usePlaces }) => {
    const newPlace = usePlaces();
    test("foreign ids and unknown ids", { timeout: 1_800_000 }, async () => {
      await using place = await newPlace();
      const store = place.open({ isolation: "strict" });
      const ids: string[] = [];
      for (let made = 0; made < TASKS; made += 1)
        ids.push((await store.createTask({ name: "render", owner: "ada", arguments: { of: randomUUID() } })).taskId);
      const pick = () => ids[Math.floor(Math.random() * TASKS)] as string;
      const readAs = (owner: string) => (taskId: string) => store.getTask(taskId, { owner });
      const unknown = { one: generateTaskId, other: generateTaskId };
      await row(`${name}, foreign and unknown`, { ...unknown, one: pick }, readAs("bob"));
      await row(`${name}, unknown and unknown`, unknown, readAs("bob"));
      await row(`${name}, own and unknown`, { ...unknown, one: pick }, readAs("ada"));
    });
  });

  describe.each(stores)("a server over $name", ({ name, usePlaces }) => {
    const newPlace = usePlaces();
    test("foreign ids and unknown ids", { timeout: 1_800_000 }, async () => {
      await using place = await newPlace();
      const store = place.open();
      await using wire = sdk2.stateless(store, "2026-07-28");
      const ids: string[] = [];
      for (let made = 0; made < TASKS; made += 1)
        ids.push((await store.createTask({ name: "work", owner: '["app","ada"]' })).taskId);
      const read = (taskId: string) =>
        wire.exchange({ name: "bob", user: "bob" }, { method: "tasks/get", params: { taskId } }, "answer");
      const pick = () => ids[Math.floor(Math.random() * TASKS)] as string;
      const unknown = { one: generateTaskId, other: generateTaskId };
      await row(`server over ${name}, foreign and unknown`, { ...unknown, one: pick }, read);
      await row(`server over ${name}, unknown and unknown`, unknown, read);
    });
  });
});
