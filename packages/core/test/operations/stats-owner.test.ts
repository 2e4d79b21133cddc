import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";

describe.each(stores)("On $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("statistics of an owner have no task of another", async () => {
    await using place = await newPlace();
    const store = place.open();
    await store.createTask({ name: "render", owner: "alice" });
    await store.cancelTask((await store.createTask({ name: "render", owner: "alice" })).taskId, { owner: "alice" });
    await store.createTask({ name: "secret", owner: "bob" });
    await store.createTask({ name: "render" });
    const alice = await store.operations.stats({ owner: "alice" });
    expect(alice).toMatchObject({ counts: { working: 1, cancelled: 1 }, complete: true });
    expect([Object.keys(alice.names), Object.keys(alice.owners)]).toEqual([["render"], ["alice"]]);
    expect(await store.operations.stats({ owner: [null, "bob"] })).toMatchObject({ counts: { working: 2 } });
    await expect(store.operations.stats({ owner: [] })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
