import { checkReady } from "@mcp-task-store/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { MemoryTaskStore } from "../../../../tooling/test/fixtures/stores.ts";

function stored(): MemoryTaskStore {
  const store = new MemoryTaskStore();
  onTestFinished(() => store.close());
  return store;
}

test("a store that answers is ready", async () => {
  expect(await checkReady(stored())).toEqual({ ready: true, ms: expect.any(Number) });
});

test("a closed store is not ready", async () => {
  const store = stored();
  await store.close();
  const found = await checkReady(store);
  expect(found).toMatchObject({ ready: false, error: { code: "STORE_CLOSED" } });
});

test("a store that does not answer in time is not ready", async () => {
  const store = stored();
  vi.spyOn(store.operations, "getRecord").mockReturnValue(new Promise(() => undefined));
  const found = await checkReady(store, { timeoutMs: 5 });
  expect(found).toMatchObject({ ready: false, error: { code: "BACKEND_UNAVAILABLE", write: "not-applied" } });
});

test("a failure of the database is not ready, with the failure as the cause", async () => {
  const store = stored();
  const cause = new Error("no route to host");
  vi.spyOn(store.operations, "getRecord").mockRejectedValue(cause);
  expect(await checkReady(store)).toMatchObject({ ready: false, error: { code: "BACKEND_UNAVAILABLE", cause } });
});

test("an unknown option and something that is no store are refused", async () => {
  await expect(checkReady(stored(), { timeout: 5 } as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(checkReady({} as never)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});
