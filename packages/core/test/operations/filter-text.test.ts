import { FILTER_WORDS, parseTaskFilter } from "@mcp-task-store/core";
import { expect, test } from "vitest";

const now = new Date("2026-11-27T12:00:00Z");
const ago = (hours: number) => new Date(now.getTime() - hours * 3_600_000);

test.each([
  ["", {}],
  ["  ", {}],
  ["status=failed", { status: ["failed"] }],
  ["status=failed,active name=render", { status: ["failed", "active"], name: ["render"] }],
  ['name="a b, c"', { name: ["a b, c"] }],
  ["owner=alice,bob", { owner: ["alice", "bob"] }],
  ['owner=""', { owner: [""] }],
  ["unowned", { owner: null }],
  ["id=4f", { idPrefix: "4f" }],
  ["age>1h", { created: { before: ago(1) } }],
  ["age>1h age<1d", { created: { before: ago(1), after: ago(24) } }],
  ["created>2026-11-01", { created: { after: new Date("2026-11-01") } }],
  ["ended>2h changed<30m", { ended: { after: ago(2) }, changed: { before: ago(0.5) } }],
  ["attempts>=2", { attempts: { min: 2 } }],
  ["attempts>2 attempts<9", { attempts: { min: 3, max: 8 } }],
  ["attempts=0", { attempts: { min: 0, max: 0 } }],
  ["stuck", { stuck: true }],
  ["stuck>5m", { stuck: { overdueMs: 300_000, waitingMs: 300_000 } }],
  ["host=web-3 pid=47 worker=mill", { holder: { host: "web-3", pid: 47, worker: "mill" } }],
  ["args.customer=acme", { payload: { arguments: { customer: "acme" } } }],
  ["args.size=3 args.big=true", { payload: { arguments: { size: 3, big: true } } }],
  ['args.size="3"', { payload: { arguments: { size: "3" } } }],
  ["args.order.id=7 args.order.of=x", { payload: { arguments: { order: { id: 7, of: "x" } } } }],
  ['args."a.b"="c d"', { payload: { arguments: { "a.b": "c d" } } }],
  ["error.code=-32603 result.grade=fine", { payload: { error: { code: -32603 }, result: { grade: "fine" } } }],
  ["context.trace=t1 params.a=null", { payload: { context: { trace: "t1" }, params: { a: null } } }],
])("%s", (text, filter) => {
  expect(parseTaskFilter(text, now)).toEqual(filter);
});

test.each([
  "colour=red",
  "status",
  "status=",
  "status>failed",
  "status=done",
  "status=failed,done",
  "age=1h",
  "age>soon",
  "created>yesterday",
  "attempts>many",
  "pid=-1",
  "stuck<5m",
  "stuck=5m",
  "unowned=3",
  "args=3",
  "args.size>3",
  "name.x=3",
  '"',
  'name="a',
  'name="a"b',
  "=3",
  "args.=3",
  "created>32",
  "ended<Nov",
  "name=a name=b",
  "status=failed status=working",
  "owner=a unowned",
  "unowned owner=a",
  "age>2h age>1h",
  "age<1h created>1d",
  "attempts>1 attempts>=5",
  "stuck stuck>5m",
  "args.a=1 args.a=2",
  "args.a=1 args.a.b=2",
  "args.a.b=2 args.a=1",
])("%s is refused", (text) => {
  expect(() => parseTaskFilter(text, now)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("a key of an object that all objects inherit is a key like others", () => {
  const { payload } = parseTaskFilter("args.__proto__.polluted=1 args.constructor=x");
  expect(Object.keys(payload?.arguments ?? {})).toEqual(["__proto__", "constructor"]);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("each word has a help text", () => {
  for (const [word, help] of Object.entries(FILTER_WORDS)) expect([word, help.length > 5]).toEqual([word, true]);
});
