import { describe, expect, test } from "vitest";
import { stores } from "../../../../tooling/test/fixtures/stores.ts";

describe.each(stores)("On $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("an operator's record has the fields that were asked for, and those that cost nothing", async () => {
    await using place = await newPlace();
    const store = place.open();
    const { operations } = store;
    const { taskId } = await store.createTask({ name: "render", arguments: { frames: 3 } });
    const all = await operations.getRecord(taskId);
    expect(all).toMatchObject({ name: "render", request: { params: { arguments: { frames: 3 } } }, inputRequests: {} });
    const some = await operations.getRecord(taskId, { fields: ["inputRequests"] });
    expect(some).toMatchObject({ name: "render", inputRequests: {}, history: [] });
    expect(some).not.toHaveProperty("request");
    const wrong = operations.getRecord(taskId, { fields: ["payload"] as never });
    await expect(wrong).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
