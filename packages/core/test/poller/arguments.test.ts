import { expect, test } from "vitest";
import { code } from "../../../../tooling/test/fixtures/errors.ts";
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
  { claimPollMs: 2 ** 31 },
  { name: "tools/call" },
  { name: "" },
])("invalid options are refused: %o", (options) => {
  expect(() => scene.start(options)).toThrow(code("INVALID_ARGUMENT"));
});

test.each([undefined, null, {}, { taskId: 7 }, { taskId: "a", id: 1n }, { taskId: "a", ttl: Number.NaN }])(
  "an invalid reference is refused: %o",
  async (reference) => {
    await expect(scene.start().follow(reference as never)).rejects.toEqual(code("INVALID_ARGUMENT"));
  },
);
