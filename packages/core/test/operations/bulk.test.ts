import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { MemoryTaskStore } from "../../../../tooling/test/fixtures/stores.ts";

test("an act on many tasks lets the event loop turn between its steps, so that a signal can end it", async () => {
  await using store = new MemoryTaskStore();
  await Promise.all(Array.from({ length: 1000 }, () => store.createTask({ name: "render" })));
  const interrupted = new AbortController();
  let done = 0;
  const cancelling = store.operations.cancelTasks(
    {},
    {
      signal: interrupted.signal,
      onProgress: (soFar) => {
        done = soFar.done;
      },
    },
  );
  const refused = expect(cancelling).rejects.toThrow("stop");
  while (done === 0) await setImmediate();
  interrupted.abort(new Error("stop"));
  await refused;
  expect(done).toBeLessThan(1000);
});
