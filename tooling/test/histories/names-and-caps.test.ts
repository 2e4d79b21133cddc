// Histories of names whose claims are paused, and of owners with a cap on active tasks.
import { expect, test } from "vitest";
import type { Call } from "../../histories/operation.ts";
import { created, type Line, verdict } from "./lines.ts";

const capped = (item: number): Call => ({ do: "createCapped", item });
const full: readonly Line[] = [
  [0, 10, capped(0), {}],
  [20, 30, capped(1), {}],
  [40, 50, capped(2), {}],
];
const end = (item: number): Call => ({ do: "endCapped", item, by: "cancelTask" });

const RIGHT: Record<string, readonly Line[]> = {
  "a claim that a pause does not reach any more": [
    created,
    [20, 60, { do: "pause" }, {}],
    [30, 70, { do: "claim", leaseMs: 1000 }, { token: 1, attempt: 1 }, 1],
    [80, 90, { do: "readPaused" }, { paused: true }],
    [100, 110, { do: "resume" }, {}],
    [120, 130, { do: "readPaused" }, { paused: false }],
  ],
  "a lease in a pause": [created, [20, 30, { do: "pause" }, {}], [40, 50, { do: "acquire", leaseMs: 9 }, { token: 1 }]],
  "a pause with a lost answer, which took effect or not": [
    created,
    [20, 30, { do: "pause" }, "unknown"],
    [40, 50, { do: "readPaused" }, { paused: false }],
    [60, 70, { do: "readPaused" }, { paused: true }],
  ],
  "a cap that is reached, and left": [
    ...full,
    [60, 70, capped(3), { error: "LIMIT_EXCEEDED" }],
    [80, 90, capped(0), { error: "TASK_EXISTS" }],
    [100, 140, end(0), {}],
    [110, 130, capped(3), {}, 1],
    [150, 160, { do: "removeCapped", item: 0 }, { removed: true }],
    [170, 180, { do: "readCapped", item: 0 }, { error: "TASK_NOT_FOUND" }],
    [190, 200, { do: "readCapped", item: 3 }, { active: true }],
    [210, 220, end(1), {}],
    [230, 240, { do: "rerunCapped", item: 0, first: 2 }, { error: "INVALID_ARGUMENT" }],
    [250, 260, { do: "rerunCapped", item: 0, first: 1 }, {}],
    [270, 280, { do: "rerunCapped", item: 5, first: 1 }, { error: "LIMIT_EXCEEDED" }],
  ],
  "a creation with a lost answer, which counts or not": [
    ...full.slice(1),
    [60, 70, capped(3), "unknown"],
    [80, 90, capped(4), { error: "LIMIT_EXCEEDED" }],
  ],
};

const WRONG: Record<string, readonly Line[]> = {
  "a claim of a paused name": [
    created,
    [20, 30, { do: "pause" }, {}],
    [40, 50, { do: "claim", leaseMs: 1000 }, { token: 1, attempt: 1 }],
  ],
  "a pause that is gone": [created, [20, 30, { do: "pause" }, {}], [40, 50, { do: "readPaused" }, { paused: false }]],
  "a pause that was never made": [created, [20, 30, { do: "readPaused" }, { paused: true }]],
  "a pause that nobody may make": [created, [20, 30, { do: "pause" }, { error: "TASK_NOT_FOUND" }]],
  "a task above the cap": [...full, [60, 70, capped(3), {}]],
  "two tasks at once for one place below the cap": [
    ...full.slice(1),
    [60, 90, capped(3), {}],
    [60, 90, capped(4), {}, 1],
  ],
  "a creation that was refused below the cap": [...full.slice(1), [60, 70, capped(3), { error: "LIMIT_EXCEEDED" }]],
  "an ended task that counts": [...full, [60, 70, end(0), {}], [80, 90, capped(3), { error: "LIMIT_EXCEEDED" }]],
  "an ended task that ends again": [...full, [60, 70, end(0), {}], [80, 90, end(0), {}]],
  "a task under a cap that was removed while active": [
    ...full,
    [60, 70, { do: "removeCapped", item: 0 }, { removed: true }],
  ],
  "a rerun above the cap": [...full, [60, 70, { do: "rerunCapped", item: 3, first: 0 }, {}]],
  "a rerun that was refused although its task had ended": [
    ...full,
    [60, 70, end(0), {}],
    [80, 90, { do: "rerunCapped", item: 3, first: 0 }, { error: "INVALID_ARGUMENT" }],
  ],
  "a rerun that nobody sees": [
    ...full,
    [60, 70, end(0), {}],
    [80, 90, { do: "rerunCapped", item: 3, first: 0 }, {}],
    [100, 110, { do: "readCapped", item: 3 }, { error: "TASK_NOT_FOUND" }],
  ],
  "a task under a cap that is gone": [...full, [60, 70, { do: "readCapped", item: 2 }, { error: "TASK_NOT_FOUND" }]],
};

test.each(Object.entries(RIGHT))("right: %s", (_, lines) => {
  expect(verdict(lines)).toBe("linearizable");
});

test.each(Object.entries(WRONG))("wrong: %s", (_, lines) => {
  expect(verdict(lines)).toBe("violation");
});
