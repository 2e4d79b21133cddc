import { aesGcm, offload, type PayloadCodec } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";
import { ABOVE_BYTES, GRACE_MS, large, useObjects } from "./support/objects.ts";

describe.each(stores.slice(0, 2))("rotation of payloads outside of the database, over $name", (kind) => {
  const objects = useObjects(kind);
  const keys = { old: new Uint8Array(32).fill(1), new: new Uint8Array(32).fill(2) };
  const codecOf = (current: keyof typeof keys): PayloadCodec => ({
    encrypt: aesGcm({ keys, current }),
    offload: offload({ storage: objects.storage, aboveBytes: ABOVE_BYTES, graceMs: GRACE_MS }),
  });

  test("objects are written anew by the present key, and the old ones end", async () => {
    const before = objects.place.open({ codec: codecOf("old") });
    const ids: string[] = [];
    for (const word of ["one", "two", "three"]) {
      const { taskId } = await before.createTask({ name: "work", arguments: { text: large(word) } });
      await before.storeTaskResult(taskId, "completed", { content: [{ type: "text", text: large(word) }] });
      ids.push(taskId);
    }
    const files = objects.files().toSorted();
    const after = objects.place.open({ codec: codecOf("new") });
    // Each task has a status message of its own besides.
    expect(await after.operations.rotatePayloads({ dryRun: true })).toMatchObject({ tasks: 3, unreadable: 0 });
    expect(objects.files().toSorted()).toEqual(files);
    const outcome = await after.operations.rotatePayloads();
    expect(outcome.rotated).toBeGreaterThanOrEqual(6);
    expect(outcome).toMatchObject({ unreadable: 0, changed: 0 });
    const rotated = objects.files();
    expect(rotated).toHaveLength(files.length);
    expect(rotated.filter((file) => files.includes(file))).toEqual([]);
    const newKey = { encrypt: aesGcm({ keys: { new: keys.new }, current: "new" }), offload: codecOf("new").offload };
    const onlyNew = objects.place.open({ codec: newKey });
    for (const taskId of ids) expect((await onlyNew.getTaskResult(taskId))["content"]).toHaveLength(1);
    expect(await after.operations.rotatePayloads()).toMatchObject({ rotated: 0 });
  });
});
