import { runInNewContext } from "node:vm";
import { ANY_OWNER, JsonRpcError, type TaskStore } from "@mcp-task-store/core";
import { MemoryTaskStore } from "@mcp-task-store/memory";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Instance, instance, text } from "./support/instance.ts";
import { type Peer, PLAIN } from "./support/rpc.ts";

/** Longer than any stall of a machine. */
const NEVER = 2 ** 31 - 1;

const RPC: [what: string, thrown: unknown, error: object][] = [
  ["an error object", { code: -32050, message: "No", data: { a: 1 } }, { code: -32050, message: "No", data: { a: 1 } }],
  ["an error of core", new JsonRpcError(5, "No"), { code: 5, message: "No" }],
  ["data that is not JSON", { code: 5, message: "No", data: 1n }, { code: 5, message: "No" }],
];
const OTHER: [what: string, thrown: unknown, said: string][] = [
  ["an error of another realm", runInNewContext("new Error('No')"), "No"],
  ["an HTTP status", Object.assign(new Error("No"), { code: 404 }), "No"],
  ["a text", "No", "No"],
  ["several errors", new AggregateError([new Error("first"), new Error("second")]), "first; second"],
  ["nothing", undefined, "undefined"],
  ["an object without a message", {}, "An object without a message was thrown"],
];

const nameOf = (door: string, what: string) => `${door} ${what}`.replaceAll(" ", "_");

let store: TaskStore;
let server: Instance;
let peer: Peer;

beforeEach(() => {
  store = new MemoryTaskStore({ sweepIntervalMs: false });
  server = instance(store, (tasks, mcp) => {
    for (const [what, thrown] of [...RPC, ...OTHER])
      for (const [name, config] of [["plain", {}] as const, ["quick", { answerWithinMs: NEVER }] as const]) {
        tasks.registerTool(mcp, nameOf(name, what), config, () => Promise.reject(thrown));
        tasks.registerTool(
          mcp,
          nameOf(`${name} prepares`, what),
          { ...config, prepare: () => Promise.reject(thrown) },
          () => text("done"),
        );
      }
  });
  peer = server.peer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await store.close();
});

/** The end of a call: for a client without tasks, and for one with tasks. */
async function ends(name: string): Promise<unknown[]> {
  const direct = await peer.ask("tools/call", { name, arguments: {} }, PLAIN);
  const modern = await peer.ask("tools/call", { name, arguments: {} });
  const taskId = modern.result?.["taskId"];
  if (typeof taskId !== "string") return [direct.error ?? direct.result, modern.error ?? modern.result];
  await store.waitForTask(taskId, { owner: ANY_OWNER });
  const task = await peer.task(taskId);
  return [direct.error ?? direct.result, task["error"] ?? task["result"]];
}

const doors = ["plain", "quick", "plain prepares", "quick prepares"];

test.each(doors)("a JSON-RPC error is answered unchanged (%s)", async (door) => {
  for (const [what, , error] of RPC) for (const end of await ends(nameOf(door, what))) expect(end, what).toEqual(error);
});

test.each(doors)("any other thrown value becomes a result with its message (%s)", async (door) => {
  for (const [what, , said] of OTHER)
    for (const end of await ends(nameOf(door, what))) expect(end, what).toMatchObject({ ...text(said), isError: true });
});
