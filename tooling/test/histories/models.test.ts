// Histories that are right, and histories with one thing wrong.
import { expect, test } from "vitest";
import { judge } from "../../histories/judge.ts";
import type { Call } from "../../histories/operation.ts";
import { tableOf } from "../../histories/print.ts";
import { CREATE, created, type Line, operations, verdict } from "./lines.ts";

const READ: Call = { do: "read", by: "getRecord" };
const taken: Line = [20, 30, { do: "acquire", leaseMs: 1000 }, { token: 1, attempt: 1 }];
const lapsing: Line = [20, 30, { do: "acquire", leaseMs: 100 }, { token: 1, attempt: 1 }];
const completed: Line = [
  40,
  50,
  { do: "finish", status: "completed", outcome: "a" },
  { status: "completed", revision: 2 },
];
const say = (message: string): Call => ({ do: "update", message });
const put = (item: number, most = 9): Call => ({ do: "enqueue", item, most });
const take: Call = { do: "dequeue" };

const RIGHT: Record<string, readonly Line[]> = {
  "a read of either state during a write": [
    created,
    [20, 60, say("a"), { message: "a", revision: 2 }],
    [30, 40, READ, { message: null, revision: 1 }],
    [45, 50, READ, { message: "a", revision: 2 }],
  ],
  "two writes at once, in the order that their answers tell": [
    created,
    [20, 60, say("a"), { message: "a", revision: 3 }],
    [20, 60, say("b"), { message: "b", revision: 2 }],
    [70, 80, READ, { message: "a", revision: 3 }],
  ],
  "a write with a lost answer that takes effect long after": [
    created,
    [20, 30, say("a"), "unknown"],
    [40, 50, READ, { message: null, revision: 1 }],
    [60, 70, READ, { message: "a", revision: 2 }],
  ],
  "a write with a lost answer that never takes effect": [
    created,
    [20, 30, say("a"), "unknown"],
    [40, 50, READ, { message: null, revision: 1 }],
  ],
  "a creation with a lost answer": [
    [0, 10, CREATE, "unknown"],
    [20, 30, READ, { error: "TASK_NOT_FOUND" }],
    [40, 50, CREATE, { error: "TASK_EXISTS" }],
    [60, 70, READ, { status: "working", revision: 1 }],
  ],
  "a lease that is taken again once it has lapsed": [
    created,
    lapsing,
    [200, 210, { do: "acquire", leaseMs: 100 }, { token: 3, attempt: 2 }],
    [220, 230, { do: "update", checkpoint: "a", token: 1 }, { error: "LEASE_LOST" }],
  ],
  "a lease that may have lapsed or not": [
    created,
    lapsing,
    [100, 140, { do: "acquire", leaseMs: 100 }, { error: "LEASE_HELD" }],
    [110, 130, { do: "claim", leaseMs: 100 }, { token: 3, attempt: 2 }],
  ],
  "a released lease, and the next one": [
    created,
    taken,
    [40, 50, { do: "release", delayMs: 0, token: 1, failures: 2 }, {}],
    [60, 70, { do: "claim", leaseMs: 100 }, { token: 3, attempt: 1, status: "working" }],
    [80, 90, { do: "readSteps" }, { steps: "[]", failures: 2 }],
  ],
  "questions and answers": [
    created,
    [20, 30, { do: "ask", key: "k", question: "q" }, { status: "input_required", revision: 2 }],
    [40, 50, { do: "answer", key: "k", text: "a", operator: false }, { taken: "k" }],
    [60, 70, { do: "answer", key: "k", text: "b", operator: false }, { taken: "" }],
    [60, 70, { do: "awaitInput", key: "k" }, { answer: "a" }],
    [80, 90, READ, { status: "working", revision: 3, open: "" }],
  ],
  "an ended task, which changes no more": [
    created,
    completed,
    [60, 70, { do: "cancel", message: "x" }, { error: "TASK_TERMINAL completed" }],
    [80, 90, { do: "readResult", by: "getTaskResult" }, { outcome: "a" }],
    [95, 99, { do: "remove" }, { removed: true }],
    [100, 110, READ, { error: "TASK_NOT_FOUND" }],
  ],
  "a queue that two consumers share": [
    [0, 10, put(1), {}],
    [5, 30, put(2), {}, 1],
    [20, 40, take, { items: "2" }],
    [20, 40, take, { items: "1" }, 1],
    [50, 60, take, { items: "" }],
  ],
  "a dequeue with a lost answer, which took a message or not": [
    [0, 10, put(1), {}],
    [12, 14, put(2), {}],
    [20, 30, take, "unknown"],
    [40, 50, take, { items: "2" }],
  ],
};

const WRONG: Record<string, readonly Line[]> = {
  "a stale read": [created, [20, 30, say("a"), { revision: 2 }], [40, 50, READ, { message: null, revision: 1 }]],
  "a read that goes back": [
    created,
    [20, 90, say("a"), { revision: 2 }],
    [30, 40, READ, { message: "a", revision: 2 }],
    [50, 60, READ, { message: null, revision: 1 }],
  ],
  "a lost update": [created, [20, 30, say("a"), { revision: 2 }], [40, 50, say("b"), { revision: 2 }]],
  "an acknowledged write that is gone": [created, [20, 30, say("a"), {}], [40, 50, READ, { message: null }]],
  "a write that was made twice": [created, [20, 30, say("a"), { revision: 3 }]],
  "a write that was refused and made": [
    created,
    taken,
    [40, 50, { do: "update", message: "a", token: 0 }, { error: "LEASE_LOST" }],
    [60, 70, READ, { message: "a" }],
  ],
  "a read of a write that was never made": [created, [20, 30, READ, { message: "a", revision: 2 }]],
  "a read of a write with a lost answer before it was sent": [
    created,
    [20, 30, READ, { message: "a", revision: 2 }],
    [40, 50, say("a"), "unknown"],
  ],
  "half of a write": [
    created,
    [20, 30, { do: "update", message: "a", checkpoint: "b" }, { revision: 2 }],
    [40, 50, READ, { message: "a", checkpoint: null, revision: 2 }],
  ],
  "an ended task that comes back": [created, completed, [60, 70, say("a"), { status: "working", revision: 3 }]],
  "a second outcome": [
    created,
    completed,
    [60, 70, { do: "finish", status: "failed", outcome: "b" }, { error: "TASK_TERMINAL completed" }],
    [80, 90, { do: "readResult", by: "getTaskResult" }, { outcome: "b" }],
  ],
  "a result without an end": [created, [20, 30, { do: "readResult", by: "getTaskResult" }, { outcome: "a" }]],
  "a task that is gone before it expires": [created, [20, 30, READ, { error: "TASK_NOT_FOUND" }]],
  "a task that is there after it expired": [
    [0, 10, { ...CREATE, ttl: 50 } as Call, { created: true }],
    [100, 110, READ, { status: "working" }],
  ],
  "a removed task that comes back": [
    created,
    completed,
    [60, 70, { do: "remove" }, { removed: true }],
    [80, 90, READ, { status: "completed" }],
  ],
  "a removed task that was active": [created, [60, 70, { do: "remove" }, { removed: true }]],
  "a task of another owner": [created, [20, 30, { do: "readAsOther" }, { status: "working" }]],
  "two tasks of one id": [created, [20, 30, CREATE, { created: true }]],
  "two tasks of one key": [
    [0, 10, { ...CREATE, once: true } as Call, { created: true }],
    [0, 10, { ...CREATE, once: true } as Call, { created: true }, 1],
  ],
  "a key that took another request": [
    [0, 10, { ...CREATE, once: true } as Call, { created: true }],
    [20, 30, { ...CREATE, once: true, grain: 2 } as Call, { created: false }],
  ],
  "a lease for two runners": [created, taken, [40, 50, { do: "acquire", leaseMs: 1000 }, { token: 3, attempt: 2 }]],
  "a claim of a task that a runner holds": [
    created,
    taken,
    [40, 50, { do: "claim", leaseMs: 1000 }, { token: 3, attempt: 2 }],
  ],
  "one claim for two runners": [
    created,
    [20, 30, { do: "claim", leaseMs: 1000 }, { token: 1, attempt: 1 }],
    [20, 30, { do: "claim", leaseMs: 1000 }, { token: 1, attempt: 1 }, 1],
  ],
  "a lease that was refused although it had lapsed": [
    created,
    lapsing,
    [300, 310, { do: "acquire", leaseMs: 100 }, { error: "LEASE_HELD" }],
  ],
  "a token that is used twice": [
    created,
    lapsing,
    [200, 210, { do: "acquire", leaseMs: 100 }, { token: 1, attempt: 2 }],
  ],
  "a write under a lost lease": [
    created,
    lapsing,
    [200, 210, { do: "acquire", leaseMs: 1000 }, { token: 3, attempt: 2 }],
    [220, 230, { do: "update", checkpoint: "a", token: 1 }, { revision: 1 }],
  ],
  "a renewal that does not last": [
    created,
    lapsing,
    [100, 105, { do: "renew", leaseMs: 1000, token: 1 }, {}],
    [300, 310, { do: "claim", leaseMs: 100 }, { token: 3, attempt: 2 }],
  ],
  "a sleep that ends early": [
    created,
    taken,
    [40, 50, { do: "release", delayMs: 500, token: 1 }, {}],
    [60, 70, { do: "claim", leaseMs: 100 }, { token: 3, attempt: 1 }],
  ],
  "a lost checkpoint": [
    created,
    [20, 30, { do: "update", checkpoint: "a" }, { revision: 1 }],
    [40, 50, { do: "claim", leaseMs: 100 }, { token: 1, checkpoint: null }],
  ],
  "a lost step": [
    created,
    [20, 30, { do: "update", step: ["one", "a"] }, { revision: 1 }],
    [40, 50, { do: "readSteps" }, { steps: "[]" }],
  ],
  "an answer that was taken twice": [
    created,
    [20, 30, { do: "ask", key: "k", question: "q" }, { revision: 2 }],
    [40, 50, { do: "answer", key: "k", text: "a", operator: false }, { taken: "k" }],
    [40, 50, { do: "answer", key: "k", text: "b", operator: false }, { taken: "k" }, 1],
  ],
  "an answer that waits in vain": [
    created,
    [20, 30, { do: "ask", key: "k", question: "q" }, { revision: 2 }],
    [40, 50, { do: "answer", key: "k", text: "a", operator: false }, { taken: "" }],
  ],
  "a wait that ends with an old state": [
    created,
    [20, 30, say("a"), { revision: 2 }],
    [40, 50, { do: "wait", after: 0 }, { revision: 1 }],
  ],
  "a wait that ends without a change": [created, [40, 50, { do: "wait", after: 1 }, { revision: 1 }]],
  "a message for two consumers": [
    [0, 10, put(1), {}],
    [20, 40, take, { items: "1" }],
    [20, 40, take, { items: "1" }, 1],
  ],
  "a lost message": [
    [0, 10, put(1), {}],
    [20, 30, take, { items: "" }],
  ],
  "messages out of order": [
    [0, 10, put(1), {}],
    [20, 30, put(2), {}],
    [40, 50, take, { items: "2" }],
  ],
  "un-awaited calls of one process out of order": [
    [0, 50, put(1), {}],
    [1, 50, put(2), {}],
    [60, 70, take, { items: "2" }],
  ],
  "a message that was put into a full queue": [
    [0, 10, put(1), {}],
    [20, 30, put(2, 1), {}],
  ],
  "a queue that was never empty, and seemed so": [
    [0, 10, put(1), {}],
    [20, 30, put(2), {}],
    [25, 60, take, { items: "" }, 1],
    [35, 50, take, { items: "1" }],
    [70, 80, take, { items: "2" }],
  ],
};

test.each(Object.entries(RIGHT))("right: %s", (_, lines) => {
  expect(verdict(lines)).toBe("linearizable");
});

test.each(Object.entries(WRONG))("wrong: %s", (_, lines) => {
  expect(verdict(lines)).toBe("violation");
});

test("a violation under a lease is made small without losing its cause", () => {
  const stale: Line = [80, 90, READ, { message: null, revision: 1 }];
  const { violations } = judge(
    operations([
      created,
      taken,
      [40, 50, { do: "update", message: "a", token: 1 }, { revision: 2 }],
      [60, 70, READ, { message: "a", revision: 2 }],
      stale,
    ]),
  );
  const shown = violations.flatMap((violation) => violation.operations.map(({ invoked }) => invoked));
  // The write or the read of it, and the read that goes back.
  expect(shown).toHaveLength(2);
  expect(shown).toContain(80);
});

test("a violation is printed with the operations that it needs", () => {
  const noise = Array.from(
    { length: 30 },
    (_, index): Line => [100 + 10 * index, 105 + 10 * index, say(`${index}`), { revision: index + 2 }],
  );
  const reads = noise.map(([from], index): Line => [from + 6, from + 7, READ, { revision: index + 2 }]);
  const stale: Line = [500, 510, READ, { message: "3", revision: 5 }];
  const { violations } = judge(operations([created, ...noise, ...reads, stale]));
  expect(violations).toHaveLength(1);
  const [violation] = violations;
  const table = tableOf(violation as (typeof violations)[number]);
  expect(table).toMatch(/^ {2}r: \d of its 62 operations have no order\n/);
  expect(table).toContain("read by=getRecord  message=3 revision=5");
  expect(table.split("\n").length).toBeLessThan(8);
});
