import { MemoryTaskStore } from "@mcp-task-store/memory";
import { TasksExtension } from "@mcp-task-store/server";
import { McpServer } from "@modelcontextprotocol/server";
import { expect, test } from "vitest";
import { refusal } from "../../../../tooling/test/fixtures/errors.ts";

const store = new MemoryTaskStore();

test.each<[what: string, options: object, says: RegExp]>([
  ["no store", {}, /TasksExtension needs a store/],
  ["a store of another kind", { store: new Map() }, /store must be a task store/],
  ["a misspelt option", { store, wroker: false }, /TasksExtension does not know "wroker": did you mean "worker"/],
  ["text for a function", { store, owner: "alice" }, /owner must be a function, not a string/],
  ["text for a worker", { store, worker: "false" }, /worker must be false or an object/],
  [
    "an unknown way without tasks",
    { store, withoutTasks: "tool" },
    /withoutTasks must be "inline", "tools" or "refuse"/,
  ],
  [
    "a misspelt option of the worker",
    { store, worker: { concurency: 2 } },
    /"worker\.concurency": did you mean "worker\.concurrency"/,
  ],
])("the tasks extension refuses %s", (_, options, says) => {
  expect(refusal(() => new TasksExtension(options as never))).toMatch(says);
});

const handler = () => ({ content: [] });

test.each<[what: string, config: object, handler: unknown, says: RegExp]>([
  ["no handler", {}, undefined, /needs a handler that is a function/],
  ["a handler of another kind", { runs: "worker" }, "x", /needs a handler that is a function/],
  ["a misspelt option", { timeout: 5 }, handler, /registerTool does not know "timeout": did you mean "timeoutMs"/],
  ["an unknown mode", { task: "always" }, handler, /task must be "never", "optional", "required" or a function/],
  ["text for a time", { answerWithinMs: "5" }, handler, /answerWithinMs must be a number/],
  [
    "an unknown way without tasks",
    { withoutTasks: "hide" },
    handler,
    /withoutTasks must be "inline", "tools" or "refuse"/,
  ],
  ["a way that has no effect", { task: "never", withoutTasks: "inline" }, handler, /withoutTasks has no effect/],
  ["an unknown place", { runs: "elsewhere" }, handler, /runs must be "server" or "worker"/],
])("a tool with %s is not registered", (_, config, given, says) => {
  const tasks = new TasksExtension({ store });
  const server = new McpServer({ name: "options-test", version: "1.0.0" });
  expect(refusal(() => tasks.registerTool(server, "render", config, given as never))).toMatch(says);
  // The name is still free.
  expect(() => tasks.registerTool(server, "render", {}, handler)).not.toThrow();
});

test.each<[what: string, options: object, says: RegExp]>([
  ["a misspelt tool", { staus: {} }, /registerFallbackTools does not know "staus": did you mean "status"/],
  ["a misspelt field", { status: { titel: "x" } }, /"status.titel": did you mean "status.title"/],
  ["an empty name", { answer: { name: " " } }, /answer.name must be a string that is not empty/],
  ["text for a time", { maxWaitMs: "5" }, /maxWaitMs must be a whole number/],
])("fallback tools with %s are not registered", (_, options, says) => {
  const tasks = new TasksExtension({ store });
  const server = new McpServer({ name: "options-test", version: "1.0.0" });
  expect(refusal(() => tasks.registerFallbackTools(server, options))).toMatch(says);
  expect(() => tasks.registerFallbackTools(server)).not.toThrow();
});

test("unknown options of a worker and of a task are refused", async () => {
  const tasks = new TasksExtension({ store });
  expect(refusal(() => tasks.startWorker({ concurency: 2 } as object))).toMatch(/did you mean "concurrency"/);
  await expect(tasks.create({} as never, { contxt: {} } as object)).rejects.toThrow(/did you mean "context"/);
});
