import { randomBytes } from "node:crypto";
import { aesGcm, compress, type PayloadPlace, type StagedPayload } from "@mcp-task-store/core";
import { Codec } from "@mcp-task-store/core/backend";
import { expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";

const PLACE: PayloadPlace = { storeId: "store", taskId: "task", field: "request", owner: undefined };
const key = randomBytes(32);
const bytes = (text: string) => Buffer.from(text);

test("a payload opens at its own place alone", async () => {
  const stage = aesGcm({ keys: { one: key, two: randomBytes(32) }, current: "one" });
  const staged = (await stage.encode(bytes("flour"), PLACE)) as StagedPayload;
  expect(Buffer.from(await stage.decode(staged, PLACE)).toString()).toBe("flour");
  // Joined without care, the parts of the third place would be those of the first.
  const elsewhere: Partial<PayloadPlace>[] = [
    { storeId: "another" },
    { taskId: "another" },
    { storeId: "storetask", taskId: "" },
    { field: "outcome" },
    { owner: "ada" },
  ];
  for (const part of elsewhere)
    await expect(stage.decode(staged, { ...PLACE, ...part })).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
  for (const note of ["two", "three", ""])
    await expect(stage.decode({ ...staged, note }, PLACE)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
});

test("a payload that was changed or cut does not open", async () => {
  const stage = aesGcm({ keys: { one: key }, current: "one" });
  const staged = (await stage.encode(bytes("flour"), PLACE)) as StagedPayload;
  for (let index = 0; index < staged.bytes.length; index += 1) {
    const changed = Uint8Array.from(staged.bytes);
    changed[index] = (changed[index] as number) ^ 1;
    await expect(stage.decode({ ...staged, bytes: changed }, PLACE)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
    const cut = staged.bytes.subarray(0, index);
    await expect(stage.decode({ ...staged, bytes: cut }, PLACE)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
  }
});

test("the same payload is never the same twice", async () => {
  const stage = aesGcm({ keys: { one: key }, current: "one" });
  const seen = new Set<string>();
  for (let round = 0; round < 100; round += 1) {
    const staged = (await stage.encode(bytes("flour"), PLACE)) as StagedPayload;
    seen.add(Buffer.from(staged.bytes.subarray(0, 12)).toString("hex"));
  }
  expect(seen.size).toBe(100);
});

test("keys may be of WebCrypto, and of 16, 24 or 32 bytes", async () => {
  const made = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const keys = { made, small: randomBytes(16), middle: randomBytes(24), large: randomBytes(32) };
  for (const current of Object.keys(keys)) {
    const stage = aesGcm({ keys, current });
    const staged = (await stage.encode(bytes("flour"), PLACE)) as StagedPayload;
    expect(Buffer.from(await stage.decode(staged, PLACE)).toString()).toBe("flour");
  }
});

test("a function that returns no key is an error, and its message has no key", async () => {
  const stage = aesGcm({ keys: () => new Uint8Array([7, 7, 7]), current: "one" });
  const failed = Promise.resolve(stage.encode(bytes("flour"), PLACE));
  await expect(failed).rejects.toEqual(code("INVALID_ARGUMENT"));
  await expect(failed).rejects.not.toThrow(/7/);
});

test("compression leaves small payloads, and those that would not shrink", async () => {
  const stage = compress();
  expect(await stage.encode(bytes("x".repeat(1024)), PLACE)).toBeUndefined();
  expect(await stage.encode(randomBytes(5000), PLACE)).toBeUndefined();
  // Small ones are compressed at once, and large ones on another thread.
  for (const length of [1025, 2_000_000]) {
    const text = "flour ".repeat(length).slice(0, length);
    const staged = (await stage.encode(bytes(text), PLACE)) as StagedPayload;
    expect(staged.bytes.length).toBeLessThan(length / 50);
    expect(Buffer.from(await stage.decode(staged, PLACE)).toString()).toBe(text);
    const cut = { ...staged, bytes: staged.bytes.subarray(0, 10) };
    await expect(stage.decode(cut, PLACE)).rejects.toEqual(code("PAYLOAD_UNREADABLE"));
  }
});

test("a stored payload says which stages have changed it, and by which key", async () => {
  const codec = (current: string) =>
    new Codec({ compress: compress({ aboveBytes: 100 }), encrypt: aesGcm({ keys: { one: key, two: key }, current }) });
  const [one, two] = [codec("one"), codec("two")];
  const long = JSON.stringify("flour".repeat(100));
  const stored = await one.encode(long, PLACE);
  expect(stored).toMatch(/^~aes-gcm\|one\|\|[A-Za-z0-9_-]+$/);
  expect(await two.decode(stored, PLACE)).toBe(long);
  expect([one.isCurrent(stored), two.isCurrent(stored), one.isCurrent(long)]).toEqual([true, false, false]);
  const reader = new Codec({ encrypt: aesGcm({ keys: { one: key }, current: null }) });
  expect(await reader.encode(long, PLACE)).toBe(long);
  expect([reader.isCurrent(stored), reader.isCurrent(long)]).toEqual([false, true]);
  // A codec that does not encrypt has nothing to rotate.
  const plain = new Codec({ compress: compress({ aboveBytes: 100 }) });
  expect([plain.isCurrent(long), plain.isCurrent(await plain.encode(long, PLACE))]).toEqual([true, true]);
  expect(await plain.encode(long, PLACE)).toMatch(/^~deflate\|\|\|/);
  expect(await plain.encode('"short"', PLACE)).toBe('"short"');
});

test.each([
  "~",
  "~aes-gcm",
  "~aes-gcm|one",
  "~aes-gcm|%|x|AAAA",
  "~other|one||AAAA",
  "~!A message of its own",
  "~!A message of its own|||",
  "~|||",
])("the broken text %s cannot be read, and nothing of it is shown", async (stored) => {
  const codec = new Codec({ encrypt: aesGcm({ keys: { one: key }, current: "one" }) });
  const read = await codec.decode(stored, PLACE);
  expect(read).toMatch(/^~!A payload of the task cannot be read or written: /);
  expect(read).not.toContain("of its own");
});

test("what has left the database says by which key it is encrypted", async () => {
  const objects = new Map<string, Uint8Array>();
  const offload = {
    id: "objects",
    encode(bytes: Uint8Array) {
      objects.set("the key/1", bytes);
      return { bytes, note: "the key/1" };
    },
    decode: ({ note }: StagedPayload) => objects.get(note) as Uint8Array,
  };
  const codec = (current: string) => new Codec({ encrypt: aesGcm({ keys: { one: key, two: key }, current }), offload });
  const stored = await codec("one").encode('"flour"', PLACE);
  expect(stored).toMatch(/^~objects\|the%20key%2F1\|\|/);
  // The object is encrypted, too, and the database has nothing of it.
  expect(Buffer.from(objects.get("the key/1") as Uint8Array).toString()).toMatch(/^~aes-gcm\|one\|\|/);
  expect(stored.length).toBeLessThan(60);
  expect([codec("one").isCurrent(stored), codec("two").isCurrent(stored)]).toEqual([true, false]);
  expect(await codec("two").decode(stored, PLACE)).toBe('"flour"');
  // A status message is copied into events, so it stays.
  expect(await codec("one").encode('"x"', { ...PLACE, field: "statusMessage" })).toMatch(/^~aes-gcm/);
});
