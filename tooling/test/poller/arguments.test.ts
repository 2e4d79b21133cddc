import { expect, test } from "vitest";
import { code } from "../fixtures/errors.ts";
import { useScene } from "./support.ts";

const scene = useScene();

test.each([
  { poll: undefined as never },
  { concurrency: 0 },
  { timeoutMs: 0 },
  { intervalMs: Number.NaN },
  { minIntervalMs: 0 },
  { minIntervalMs: 10, maxIntervalMs: 9 },
  { idleIntervalMs: -1 },
  { errorIntervalMs: -1 },
  { stalledAfterMs: 0 },
  { leaseMs: 1 },
  { claimMs: 2 ** 31 },
  { name: "tools/call" },
  { name: "" },
])("options that cannot be right are refused: %o", (options) => {
  expect(() => scene.start(options)).toThrow(code("INVALID_ARGUMENT"));
});

test.each([undefined, null, {}, { taskId: 7 }, { taskId: "a", id: 1n }, { taskId: "a", ttl: Number.NaN }])(
  "a reference that cannot be right is refused: %o",
  async (reference) => {
    await expect(scene.start().follow(reference as never)).rejects.toEqual(code("INVALID_ARGUMENT"));
  },
);
