/**
 * What a codec costs: the CPU time of lifecycles with it and without it, and the size of what is
 * stored. Rounds of all variants take turns, so that a busy machine slows all of them.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { aesGcm, compress, type PayloadCodec, type TaskStore } from "@mcp-task-store/core";
import { Codec } from "@mcp-task-store/core/backend";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { PostgresTaskStore } from "@mcp-task-store/postgres";
import { RedisTaskStore } from "@mcp-task-store/redis";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";
import { inFlight, lifeIn, live, REQUEST, RESULT } from "./lives.ts";
import { spreadOf } from "./statistics.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 9);
const LIVES = Number(process.env["LIVES"] ?? 400);

const key = randomBytes(32);
const codecs: Record<string, PayloadCodec | undefined> = {
  plain: undefined,
  "the same again": undefined,
  compressed: { compress: compress({ aboveBytes: 256 }) },
  encrypted: { encrypt: aesGcm({ keys: { one: key }, current: "one" }) },
  "a key per owner": { encrypt: aesGcm({ keys: () => key, current: "one" }) },
};

const { TEST_POSTGRES_URL: connectionString, TEST_REDIS_URL: url } = process.env;
const folder = await mkdtemp(join(tmpdir(), "bench-codec-"));
const openers: Record<string, (codec: PayloadCodec | undefined) => TaskStore> = {
  memory: (codec) => new MemoryTaskStore({ codec }),
  SQLite: (codec) => new SqliteTaskStore({ path: join(folder, `${randomUUID()}.db`), codec }),
  ...(connectionString === undefined
    ? {}
    : { PostgreSQL: (codec) => new PostgresTaskStore({ connectionString, schema: "bench_codec", codec }) }),
  ...(url === undefined ? {} : { Redis: (codec) => new RedisTaskStore({ url, keyPrefix: "bench-codec", codec }) }),
};

for (const [store, open] of Object.entries(openers)) {
  const variants = Object.entries(codecs).map(([name, codec]) => ({ name, store: open(codec), cpu: [] as number[] }));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const { store, cpu } of variants) {
      const before = process.cpuUsage();
      await inFlight(16, LIVES, () => live(lifeIn(store, 60_000)));
      const { user, system } = process.cpuUsage(before);
      // The first round warms up.
      if (round >= 0) cpu.push((user + system) / LIVES);
    }
  }
  const [plain] = variants;
  for (const { name, cpu } of variants) {
    const ratios = spreadOf(cpu.map((each, round) => each / (plain?.cpu[round] as number)));
    const figures = [ratios.q1, ratios.median, ratios.q3].map((ratio) => ratio.toFixed(2)).join(" / ");
    console.log(`${store}, ${name}: ${spreadOf(cpu).median.toFixed(0)} µs of CPU a lifecycle; ratio ${figures}`);
  }
  for (const { store } of variants) await store.close();
}
await rm(folder, { recursive: true });

const page = await readFile(new URL("../docs/run/encryption.md", import.meta.url), "utf8");
const payloads = { "a request": REQUEST, "a result": RESULT, "a number": 1, "a page of documentation": { text: page } };
for (const [name, value] of Object.entries(payloads)) {
  const text = JSON.stringify(value);
  const sizes = await Promise.all(
    Object.entries(codecs).flatMap(async ([codec, stages]) => {
      if (!stages) return [];
      const place = { taskId: "task", field: "request", owner: "ada" };
      return [`${codec} ${(await new Codec(stages).encode(text, place)).length}`];
    }),
  );
  console.log(`${name}: ${Buffer.byteLength(text)} bytes; ${sizes.flat().join(", ")}`);
}
