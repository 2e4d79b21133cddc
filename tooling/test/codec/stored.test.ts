// What a database has of payloads, with a codec and without, on every store.

import { aesGcm, compress, type PayloadCodec, type TaskStore } from "@mcp-task-store/core";
import { isCoded, type TaskBackend } from "@mcp-task-store/core/backend";
import { describe, expect, test } from "vitest";
import { code } from "../fixtures/errors.ts";
import { stores } from "../fixtures/stores.ts";
import { dumpOf, rawBackend } from "./dump.ts";
import { exportOf, MARKERS, readEveryPayload, writeEveryPayload } from "./every-payload.ts";

const key = crypto.getRandomValues(new Uint8Array(32));
const other = crypto.getRandomValues(new Uint8Array(32));
const encrypted: PayloadCodec = { encrypt: aesGcm({ keys: { one: key }, current: "one" }) };
const rotated: PayloadCodec = { encrypt: aesGcm({ keys: { one: key, two: other }, current: "two" }) };
const reading: PayloadCodec = { encrypt: aesGcm({ keys: { one: key, two: other }, current: null }) };
const everything: PayloadCodec = { compress: compress({ aboveBytes: 0 }), ...encrypted };

describe.each(stores)("$name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test.each<[codec: string, codec: PayloadCodec]>([
    ["encrypts", encrypted],
    ["compresses and encrypts", everything],
  ])("a codec that %s leaves no payload in the database", async (_, codec) => {
    await using place = await newPlace();
    const store = place.open({ codec });
    const ids = await writeEveryPayload(store, "ada");
    const read = await readEveryPayload(store, ids);
    const text = JSON.stringify([read, [...read.steps.results]]);
    expect(MARKERS.filter((marker) => !text.includes(marker))).toEqual([]);
    const dump = await dumpOf(place);
    expect(MARKERS.filter((marker) => dump.includes(marker))).toEqual([]);
    // These stay readable.
    const readable = ["ada", "bake", "completed", "mix", "~aes-gcm|one|"];
    expect(readable.filter((text) => !dump.includes(text))).toEqual([]);
  });

  test("without a codec, every payload is in the database", async () => {
    await using place = await newPlace();
    const store = place.open();
    await writeEveryPayload(store, "ada");
    const dump = await dumpOf(place);
    expect(MARKERS.filter((marker) => !dump.includes(marker))).toEqual([]);
  });

  test("without a codec, payloads are stored as they always were", async () => {
    await using place = await newPlace();
    const { taskId } = await place.open().createTask({ name: "bake", arguments: { flour: "é" }, requestId: 1 });
    await place.open({ codec: {} }).finishTask(taskId, { status: "completed", result: {}, statusMessage: "Done" });
    const raw = await (await rawBackend(place)).read(taskId, null, ["request", "outcome"]);
    const stored = [raw?.request, raw?.outcome, raw?.statusMessage];
    const texts = [
      '{"requestId":1,"request":{"method":"tools/call","params":{"name":"bake","arguments":{"flour":"é"}}}}',
      '{"result":{}}',
      '"Done"',
    ];
    // In memory, the objects themselves: there is no codec in between that would need texts.
    expect(stored).toEqual(place.address ? texts : [JSON.parse(texts[0] as string), { result: {} }, '"Done"']);
  });

  test("what was stored plain, and by an older key, stays readable beside what is encrypted", async () => {
    await using place = await newPlace();
    const ids: [string, string][] = [];
    const reads: unknown[] = [];
    for (const options of [{}, { codec: reading }, { codec: encrypted }, { codec: rotated }]) {
      const store = place.open(options);
      ids.push(await writeEveryPayload(store, "ada"));
      reads.push((await readEveryPayload(store, ids.at(-1) as [string, string])).records);
    }
    const [store, reader] = [place.open({ codec: rotated }), place.open({ codec: reading })];
    for (const [index, each] of ids.entries()) {
      expect((await readEveryPayload(store, each)).records).toEqual(reads[index]);
      expect((await readEveryPayload(reader, each)).records).toEqual(reads[index]);
    }
    const raw = await (await rawBackend(place)).readMany(ids.flat(), ["outcome"]);
    expect(raw.filter(({ outcome }) => isCoded(outcome))).toHaveLength(4);
  });

  test("a payload that was moved to another task, or another field, cannot be read", async () => {
    await using place = await newPlace();
    const store = place.open({ codec: encrypted });
    const [one, two] = [await newTask(store, "one"), await newTask(store, "two")];
    for (const taskId of [one, two]) await store.updateTask(taskId, { checkpoint: taskId });
    const raw = await rawBackend(place);
    const [ofOne, ofTwo] = [await raw.read(one, null, FIELDS), await raw.read(two, null, FIELDS)];
    // Moved back, so that the last round shows that nothing else makes it unreadable.
    for (const checkpoint of [ofTwo?.checkpoint, ofOne?.request, ofOne?.checkpoint] as string[]) {
      await raw.update(one, { scope: null }, { checkpoint });
      const read = store.getRecord(one, { fields: ["checkpoint"] });
      if (checkpoint === ofOne?.checkpoint) expect(await read).toMatchObject({ checkpoint: one });
      else await expect(read).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
    }
    expect((await store.getRecord(one, { fields: ["request"] }))?.request.method).toBe("one");
  });

  test("a store without the key, or without a codec, shows all but the payloads", async () => {
    await using place = await newPlace();
    const writer = place.open({ codec: rotated });
    const [taskId] = await writeEveryPayload(writer, "ada");
    for (const options of [{}, { codec: encrypted }]) {
      const store = place.open(options);
      const task = await store.getTask(taskId);
      expect(task).toMatchObject({ taskId, status: "completed", statusMessage: "(This text cannot be read here.)" });
      expect((await store.listTasks()).tasks).toHaveLength(2);
      await expect(store.getTaskResult(taskId)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
      await expect(store.readSteps(taskId)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
      await expect(exportOf(store)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
      const fields = ["request", "result", "checkpoint", "rerunOf"] as const;
      const { records } = await store.operations.listRecords({ where: { owner: "ada" }, order: "oldest", fields });
      expect(records[0]).toMatchObject({ name: "bake", owner: "ada", unreadable: fields.slice(0, 3) });
      const given = records[0]?.history.find(({ event }) => event === "given back");
      expect(given).toMatchObject({ error: "(This text cannot be read here.)" });
      const { events } = await store.operations.listEvents({ notifier: "notifier" });
      expect(events.map(({ kind }) => kind)).toContain("end");
    }
    expect(await writer.getTaskResult(taskId)).toMatchObject({ text: "marker-result" });
    await expect(place.open({ codec: encrypted }).getTaskResult(taskId)).rejects.toThrow('there is no key "two"');
  });

  test("an export names the task that it cannot read", async () => {
    await using place = await newPlace();
    const { taskId } = await place.open({ codec: rotated }).createTask({ name: "bake" });
    await expect(exportOf(place.open({ codec: encrypted }))).rejects.toMatchObject({
      code: "PAYLOAD_UNREADABLE",
      taskId,
    });
  });

  test("an export has the payloads, and a store with another key keeps them by its own", async () => {
    await using place = await newPlace();
    await using target = await newPlace();
    const ids = await writeEveryPayload(place.open({ codec: everything }), "ada");
    const copy = target.open({ codec: { encrypt: aesGcm({ keys: { theirs: other }, current: "theirs" }) } });
    const exported = await exportOf(place.open({ codec: everything }));
    const text = JSON.stringify(exported);
    expect(MARKERS.filter((marker) => !text.includes(marker))).toEqual(["marker-event"]);
    expect(await copy.operations.importTasks(exported)).toEqual({ imported: 2, existing: 0 });
    const dump = await dumpOf(target);
    expect(MARKERS.filter((marker) => dump.includes(marker))).toEqual([]);
    const from = place.open({ codec: everything });
    for (const taskId of ids) {
      const wanted = await from.operations.getRecord(taskId);
      expect(await copy.operations.getRecord(taskId)).toEqual(wanted);
      expect(await copy.readSteps(taskId)).toEqual(await from.readSteps(taskId));
    }
  });
});

const FIELDS = ["request", "checkpoint"] as const satisfies Parameters<TaskBackend["read"]>[2];

async function newTask(store: TaskStore, method: string): Promise<string> {
  return (await store.createTask({ method })).taskId;
}
