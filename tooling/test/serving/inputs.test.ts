import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Place, stores } from "../fixtures/stores.ts";
import { FORM, Gate, type Instance, instance, text } from "./support/instance.ts";
import type { Answer, Json } from "./support/rpc.ts";

const accept = (name: string) => ({ action: "accept", content: { name } });
const form = (message: string) => ({ ...FORM, message });

function isAcknowledgement({ result, text: said }: Answer): void {
  const { _meta, ...rest } = result ?? {};
  expect(rest, said).toEqual({ resultType: "complete" });
}

describe.each(stores)("questions and answers over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let store: TaskStore;
  const instances: Instance[] = [];
  let gate: Gate;

  function serve(): Instance {
    const made = instance(
      place.open(),
      (tasks, server) => {
        tasks.registerTool(server, "two", { task: "required" }, async (_, task) => {
          const both = await Promise.all([
            task.elicit(form("First?"), { key: "first" }),
            task.elicit(form("Second?"), { key: "second" }),
          ]);
          return text(both.map(({ content }) => content?.["name"]).join(" "));
        });
        tasks.registerTool(server, "same", { task: "required" }, async (_, task) => {
          const said: unknown[] = [];
          for (let turn = 0; turn < 3; turn += 1) said.push((await task.elicit(FORM)).content?.["name"]);
          return text(said.join(" "));
        });
        tasks.registerTool(server, "lost", { task: "required" }, async (_, task) => {
          const first = await task.elicit(form("First?"));
          const second = await task.elicit(form("Second?"));
          if (task.attempt > 0) await gate.pass(task.signal);
          return text([first, second].map(({ content }) => content?.["name"]).join(" "));
        });
        tasks.registerTool(server, "sample", { task: "required" }, async (_, task) => {
          const { content } = await task.sample({ messages: [], maxTokens: 1 });
          return text(JSON.stringify(content));
        });
      },
      { worker: { claimPollMs: 5 } },
    );
    instances.push(made);
    return made;
  }

  beforeEach(async () => {
    place = await newPlace();
    store = place.open();
    gate = new Gate();
    gate.open();
  });
  afterEach(async () => {
    await Promise.all(instances.splice(0).map((made) => made[Symbol.asyncDispose]()));
    await place[Symbol.asyncDispose]();
  });

  /** The questions, once there are that many. */
  async function questions(taskId: string, count = 1): Promise<Record<string, Json>> {
    for (let after = 0; ; ) {
      const { revision } = await store.waitForTask(taskId, { owner: ANY_OWNER, until: ["input_required"], after });
      const record = await store.getRecord(taskId, { owner: ANY_OWNER });
      if (!record || record.claimableAt === undefined) throw new Error(`The task ended: ${JSON.stringify(record)}`);
      if (Object.keys(record.inputRequests).length >= count) return record.inputRequests as Record<string, never>;
      after = revision;
    }
  }

  test("answers may come one at a time, repeated, or for unknown keys", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("two");
    await questions(taskId, 2);
    isAcknowledgement(await peer.update(taskId, { nobody: accept("X"), second: accept("Lovelace") }));
    const { status, inputRequests } = await peer.task(taskId);
    expect(status).toBe("input_required");
    expect(inputRequests).toEqual({ first: { method: "elicitation/create", params: form("First?") } });
    // The first answer to a question counts.
    isAcknowledgement(await peer.update(taskId, { second: accept("Byron") }));
    // An answer without a question may have any shape.
    isAcknowledgement(await peer.update(taskId, { second: { action: "nonsense" }, nobody: { no: 1 } }));
    isAcknowledgement(await peer.update(taskId, {}));
    isAcknowledgement(await peer.update(taskId, { first: accept("Ada") }));
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("Ada Lovelace"));
    isAcknowledgement(await peer.update(taskId, { first: accept("Too late"), third: accept("Never asked") }));
    expect(await peer.task(taskId)).toMatchObject({ status: "completed", result: text("Ada Lovelace") });
  });

  test("a malformed answer is refused as a whole, and the questions stay open", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("two");
    const asked = await questions(taskId, 2);
    for (const wrong of [
      undefined,
      null,
      "text",
      7,
      [],
      { first: null },
      { first: "Ada" },
      { first: ["Ada"] },
      { first: {} },
      { first: { action: "perhaps" } },
      { first: { action: "accept", content: "Ada" } },
      { first: { result: accept("Ada") } },
      { first: { method: "elicitation/create" } },
      { first: { role: "assistant", content: { type: "text", text: "Ada" }, model: "m" } },
      { second: accept("Lovelace"), first: { action: 7 } },
    ]) {
      const { error, text: said } = await peer.update(taskId, wrong);
      expect(error, `${JSON.stringify(wrong)}: ${said}`).toMatchObject({ code: -32602 });
    }
    expect(await peer.task(taskId)).toMatchObject({ status: "input_required", inputRequests: asked });
    isAcknowledgement(await peer.update(taskId, { first: accept("Ada"), second: { action: "cancel" } }));
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("Ada "));
  });

  test("a model's answer is checked by the schema of sampling results", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("sample");
    const [key = ""] = Object.keys(await questions(taskId));
    expect((await peer.update(taskId, { [key]: accept("Ada") })).error).toMatchObject({ code: -32602 });
    const content = { type: "text", text: "Hi" };
    isAcknowledgement(await peer.update(taskId, { [key]: { role: "assistant", content, model: "m" } }));
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text(JSON.stringify(content)));
  });

  test("the same question asked again has another key", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("same");
    const keys: string[] = [];
    for (const name of ["a", "b", "c"]) {
      const [key = "", ...more] = Object.keys(await questions(taskId));
      expect(more).toEqual([]);
      // An answer to an earlier question does not answer this one.
      isAcknowledgement(await peer.update(taskId, Object.fromEntries(keys.map((old) => [old, accept("old")]))));
      keys.push(key);
      isAcknowledgement(await peer.update(taskId, { [key]: accept(name) }));
    }
    expect(new Set(keys).size).toBe(3);
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("a b c"));
  });

  test("a runner that took over reuses the keys and repeats no answered question", async () => {
    const lost = serve();
    const { taskId } = await lost.peer().start("lost");
    const [first = ""] = Object.keys(await questions(taskId));
    const peer = serve().peer();
    await lost.tasks.close();
    expect(Object.keys(await questions(taskId))).toEqual([first]);
    isAcknowledgement(await peer.update(taskId, { [first]: accept("Ada") }));
    const [second = "", ...more] = Object.keys(await questions(taskId));
    expect([second === first, more]).toEqual([false, []]);
    const other = serve();
    await instances[1]?.tasks.close();
    expect(Object.keys(await questions(taskId))).toEqual([second]);
    isAcknowledgement(await other.peer().update(taskId, { [first]: accept("No"), [second]: accept("Lovelace") }));
    expect(await store.waitForResult(taskId, { owner: ANY_OWNER })).toEqual(text("Ada Lovelace"));
  });

  test("late cancellations and answers are acknowledged", async () => {
    const peer = serve().peer();
    const { taskId } = await peer.start("two");
    await questions(taskId, 2);
    isAcknowledgement(await peer.cancel(taskId));
    isAcknowledgement(await peer.cancel(taskId));
    isAcknowledgement(await peer.update(taskId, { first: accept("Ada") }));
    const task = await peer.task(taskId);
    expect(task).toMatchObject({ status: "cancelled" });
    expect(task).not.toHaveProperty("inputRequests");
    expect(task).not.toHaveProperty("result");
  });
});
