import { aesGcm, compress, type PayloadCodec, type RotationProgress, type TaskStore } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { stores } from "./fixtures/stores.ts";

const KEYS = { old: new Uint8Array(32).fill(1), new: new Uint8Array(32).fill(2) };
const encrypt = (current: "old" | "new") => aesGcm({ keys: KEYS, current });
const onlyNew = aesGcm({ keys: { new: KEYS.new }, current: "new" });

async function fill(store: TaskStore, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { taskId } = await store.createTask({ name: "grind", arguments: { index }, owner: "ada" });
    ids.push(taskId);
  }
  return ids;
}

const argumentsOf = (store: TaskStore, ids: readonly string[]) =>
  Promise.all(ids.map(async (id) => (await store.getRecord(id, { owner: "ada" }))?.request.params?.["arguments"]));

describe.each(stores)("a rotation, over $name", (kind) => {
  const newPlace = kind.usePlaces();

  test("encrypts what was stored without a codec, and compresses it on the way", async () => {
    await using place = await newPlace();
    const plain = place.open();
    const [taskId = ""] = await fill(plain, 1);
    const lease = await plain.acquireLease(taskId, { owner: "ada" });
    const checkpoint = { text: "flour ".repeat(500) };
    await plain.updateTask(taskId, { statusMessage: "on", checkpoint, step: { name: "sow", result: [1] } }, { lease });
    const codec: PayloadCodec = { compress: compress(), encrypt: onlyNew };
    const store = place.open({ codec });
    expect(await store.operations.rotatePayloads()).toMatchObject({ tasks: 1, rotated: 4, current: 0 });
    const record = await store.getRecord(taskId, { owner: "ada" });
    expect(record).toMatchObject({ checkpoint, task: { statusMessage: "on" }, request: { method: "tools/call" } });
    expect((await store.readSteps(taskId, { owner: "ada" })).results).toEqual(new Map([["sow", [1]]]));
    // The store without keys reads nothing of it.
    const shown = await plain.operations.getRecord(taskId);
    expect(shown?.unreadable).toEqual(expect.arrayContaining(["request", "checkpoint"]));
    await using backend = Object.assign(place.openBackend(), {
      [Symbol.asyncDispose]: () => backend.close(),
    });
    await backend.open({ report: () => undefined });
    const [stored] = await backend.readMany([taskId], ["checkpoint"]);
    expect(stored?.checkpoint?.length).toBeLessThan(500);
  });

  test("goes on from a cursor after it was aborted", async () => {
    await using place = await newPlace();
    const ids = await fill(place.open({ codec: { encrypt: encrypt("old") } }), 50);
    const { operations } = place.open({ codec: { encrypt: encrypt("new") } });
    const aborting = new AbortController();
    const steps: RotationProgress[] = [];
    const onProgress = (soFar: RotationProgress) => {
      if (steps.push(soFar) === 1) aborting.abort(new Error("enough"));
    };
    await expect(operations.rotatePayloads({ signal: aborting.signal, onProgress })).rejects.toThrow("enough");
    const [{ tasks = 0, cursor = "", portion = 0 } = {}] = steps;
    expect([tasks > 0 && tasks < 50, portion > 0 && portion < 1]).toEqual([true, true]);
    const rest = await operations.rotatePayloads({ cursor, onProgress });
    expect(rest).toMatchObject({ tasks: 50 - tasks, rotated: 50 - tasks, current: 0 });
    expect(steps.at(-1)?.portion).toBe(1);
    expect(await operations.rotatePayloads()).toMatchObject({ tasks: 50, rotated: 0, current: 50 });
    const found = await argumentsOf(place.open({ codec: { encrypt: onlyNew } }), ids);
    expect(found).toEqual(ids.map((_, index) => ({ index })));
    await expect(operations.rotatePayloads({ cursor: "x" })).rejects.toMatchObject({ code: "INVALID_CURSOR" });
  });

  test("counts the events that wait with a text of another key", async () => {
    await using place = await newPlace();
    const old = place.open({ codec: { encrypt: encrypt("old") } });
    await old.events.register({ name: "audit", on: ["created", "progress"] });
    const [taskId = ""] = await fill(old, 3);
    await old.updateTask(taskId, { statusMessage: "on" }, { owner: "ada" });
    const store = place.open({ codec: { encrypt: encrypt("new") } });
    expect(await store.operations.rotatePayloads()).toMatchObject({ rotated: 4, events: 1 });
    await store.operations.removeNotifier("audit");
    expect(await store.operations.rotatePayloads()).toMatchObject({ current: 4, events: 0 });
  });
});

describe("a rotation", () => {
  const newPlace = (stores[0] as (typeof stores)[number]).usePlaces();

  test("leaves payloads of an owner whose key was forgotten, and goes on", async () => {
    await using place = await newPlace();
    const forgotten = new Set<string | undefined>();
    const keys = (id: string, { owner }: { owner: string | undefined }) =>
      forgotten.has(owner) ? undefined : new Uint8Array(32).fill((owner?.length ?? 0) + id.length);
    const first = place.open({ codec: { encrypt: aesGcm({ keys, current: "2025" }) } });
    const [ada = ""] = await fill(first, 1);
    const { taskId: grace } = await first.createTask({ name: "grind", owner: "grace", arguments: { index: 7 } });
    forgotten.add("ada");
    const store = place.open({ codec: { encrypt: aesGcm({ keys, current: "2026-11" }) } });
    const outcome = await store.operations.rotatePayloads();
    expect(outcome).toMatchObject({
      tasks: 2,
      rotated: 1,
      unreadable: 1,
      reasons: [expect.stringContaining('"2025"')],
    });
    expect((await store.getRecord(grace, { owner: "grace" }))?.request.params).toMatchObject({
      arguments: { index: 7 },
    });
    await expect(store.getRecord(ada, { owner: "ada" })).rejects.toMatchObject({ code: "PAYLOAD_UNREADABLE" });
  });

  test("decrypts by a codec that only reads", async () => {
    await using place = await newPlace();
    const [taskId = ""] = await fill(place.open({ codec: { encrypt: encrypt("old") } }), 1);
    const { operations } = place.open({ codec: { encrypt: aesGcm({ keys: KEYS, current: null }) } });
    expect(await operations.rotatePayloads()).toMatchObject({ rotated: 1, current: 0 });
    expect(await operations.rotatePayloads()).toMatchObject({ rotated: 0, current: 1 });
    expect(await argumentsOf(place.open(), [taskId])).toEqual([{ index: 0 }]);
  });

  test("counts what others write by another key again and again, and ends", async () => {
    await using place = await newPlace();
    const old = place.open({ codec: { encrypt: encrypt("old") } });
    const [taskId = ""] = await fill(old, 1);
    let writes = 0;
    await old.updateTask(taskId, { checkpoint: 0 }, { owner: "ada" });
    const stage = encrypt("new");
    const busy: PayloadCodec = {
      encrypt: {
        ...stage,
        async encode(bytes, place) {
          if (place.field === "checkpoint") await old.updateTask(taskId, { checkpoint: ++writes }, { owner: "ada" });
          return stage.encode(bytes, place);
        },
      },
    };
    const { operations } = place.open({ codec: busy });
    expect(await operations.rotatePayloads()).toMatchObject({ rotated: 1, changed: 1, unreadable: 0 });
    expect((await old.getRecord(taskId, { owner: "ada" }))?.checkpoint).toBe(writes);
    expect(writes).toBeGreaterThan(1);
  });

  test("rejects while a key is out of reach, and can be begun again", async () => {
    await using place = await newPlace();
    await fill(place.open(), 3);
    let reachable = false;
    const keys = () => {
      if (!reachable) throw new Error("503");
      return KEYS.new;
    };
    const { operations } = place.open({ codec: { encrypt: aesGcm({ keys, current: "new" }) } });
    await expect(operations.rotatePayloads()).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
    reachable = true;
    expect(await operations.rotatePayloads()).toMatchObject({ rotated: 3 });
  });

  test.each([
    ["without a codec", undefined],
    ["whose codec only compresses", { compress: compress() }],
  ])("needs keys: a store %s refuses it", async (_, codec) => {
    await using place = await newPlace();
    const refusal = place.open({ codec }).operations.rotatePayloads();
    await expect(refusal).rejects.toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("keys") });
  });
});
