import { aesGcm, compress, type TaskStoreOptions } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { refusal } from "../../../../tooling/test/fixtures/errors.ts";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";

const key = new Uint8Array(32).fill(7);
const good = { keys: { one: key }, current: "one" };

test.each<[what: string, options: object, says: RegExp]>([
  ["without keys", { current: "one" }, /needs keys and current/],
  ["without current", { keys: { one: key } }, /needs keys and current/],
  ["with an empty set of keys", { ...good, keys: {} }, /keys must be a function, or an object of keys by id/],
  ["with a key of 5 bytes", { ...good, keys: { one: new Uint8Array(5) } }, /16, 24 or 32 bytes/],
  ["with a key as text", { ...good, keys: { one: "a".repeat(32) } }, /16, 24 or 32 bytes/],
  ["with a current key that is missing", { ...good, current: "two" }, /no key of the id current/],
  ["with an inherited name as current", { ...good, current: "constructor" }, /no key of the id current/],
  ["with an id that has spaces", { keys: { "a b": key }, current: "a b" }, /must be/],
  ["with a misspelt option", { ...good, curent: "one" }, /did you mean "current"/],
])("aesGcm refuses options %s", (_, options, says) => {
  expect(refusal(() => aesGcm(options as typeof good))).toMatch(says);
  expect(refusal(() => aesGcm(options as typeof good))).not.toMatch(/7,7/);
});

test("compress refuses an unknown option and a wrong value", () => {
  expect(refusal(() => compress({ above: 3 } as object))).toMatch(/did you mean "aboveBytes"/);
  expect(refusal(() => compress({ aboveBytes: -1 }))).toMatch(/aboveBytes must be/);
});

describe.each(stores)("$name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test.each<[what: string, codec: object, says: RegExp]>([
    ["a list of stages", [compress()], /codec must be an object with compress, encrypt or offload/],
    ["a stage of another name", { encryption: aesGcm(good) }, /did you mean "codec.encrypt"/],
    ["the options of a stage", { encrypt: good }, /codec\.encrypt must be a stage of a codec/],
    ["two stages of one id", { compress: compress(), encrypt: compress() }, /the same id/],
  ])("a store refuses %s as its codec", async (_, codec, says) => {
    await using place = await newPlace();
    expect(refusal(() => place.open({ codec } as TaskStoreOptions))).toMatch(says);
  });
});
