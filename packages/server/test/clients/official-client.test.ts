import { ANY_OWNER, type TaskStore } from "@mcp-task-store/core";
import {
  resultFromTaskOutcome,
  TaskFailedError,
  type TaskHandle,
  type ToolExecution,
  taskViewFromExecutionEvent,
} from "@modelcontextprotocol/ext-tasks/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectModern, type ModernClient } from "./support/modern.ts";
import { type Place, places } from "./support/places.ts";
import { type Listening, listen, statelessInstance } from "./support/servers.ts";

// The client of @modelcontextprotocol/ext-tasks, over Streamable HTTP under 2026-07-28.

describe.each(places)("The official client over $name", ({ make }) => {
  let cleanUp: AsyncDisposableStack;
  let place: Place;
  let store: TaskStore;
  let server: Listening;
  let client: ModernClient;

  beforeEach(async () => {
    cleanUp = new AsyncDisposableStack();
    place = cleanUp.use(await make());
    store = place.open();
    server = cleanUp.use(await listen(cleanUp.use(statelessInstance(store))));
    client = cleanUp.use(await connectModern(server.url));
  });
  afterEach(() => cleanUp.disposeAsync());

  const text = (text: string) => ({ content: [{ type: "text", text }] });
  const stored = async () => (await store.listTasks(undefined, { owner: ANY_OWNER })).tasks;

  /** The task id of a call that became a task. */
  function taskIdOf(execution: ToolExecution<unknown>): TaskHandle["taskId"] {
    if (execution.kind !== "task") throw new Error("The call was answered at once");
    return execution.handle.taskId;
  }

  test("gets a direct answer from a tool that makes no tasks", async () => {
    const execution = await client.session.callTool("echo", { say: "Hi" });
    expect(execution.kind).toBe("immediate");
    expect((await execution.settle()).outcome).toMatchObject({ status: "completed", result: text("Hi") });
    expect(await stored()).toEqual([]);
  });

  test("gets a task with structured content that fits the tool's schema", async () => {
    const execution = await client.session.callTool("add", { a: 2, b: 3 });
    expect(execution.kind).toBe("task");
    const { outcome, lastTask } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject({ ...text("5"), structuredContent: { sum: 5 } });
    expect(lastTask).toMatchObject({ status: "completed", retentionMs: 3_600_000, suggestedPollIntervalMs: 20 });
    expect(await stored()).toMatchObject([{ taskId: taskIdOf(execution), status: "completed" }]);
  });

  test("gets a tool error when the structured content does not fit", async () => {
    const { outcome } = await (await client.session.callTool("add_wrongly")).settle();
    expect(outcome).toMatchObject({
      status: "completed",
      result: { isError: true, content: [{ text: expect.stringContaining("Output validation error") }] },
    });
  });

  test("answers a question that a task asks", async () => {
    const execution = await client.session.callTool("ask_name");
    const statuses: (string | undefined)[] = [];
    const { outcome } = await execution.settle({
      onEvent: (event) => void statuses.push(taskViewFromExecutionEvent(event)?.status),
    });
    expect(resultFromTaskOutcome(outcome)).toMatchObject(text("Hello, Ada!"));
    expect(client.asked).toEqual(["task-update: Your name?"]);
    expect(statuses).toContain("input_required");
  });

  test("answers a question for its model", async () => {
    const { outcome } = await (await client.session.callTool("ask_model")).settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject(text("deep: 42"));
    expect(client.asked).toEqual(["task-update: sampling"]);
  });

  test("answers a question asked before the task exists", async () => {
    const execution = await client.session.callTool("ask_before");
    expect(client.asked).toEqual(["request-retry: Your name?"]);
    expect(execution.kind).toBe("task");
    const { outcome } = await execution.settle();
    expect(resultFromTaskOutcome(outcome)).toMatchObject(text("Hello, Ada!"));
    expect(await stored()).toHaveLength(1);
  });

  test("gets no question that it did not declare support for", async () => {
    const deaf = cleanUp.use(await connectModern(server.url, { capabilities: {} }));
    const { outcome } = await (await deaf.session.callTool("ask_name")).settle();
    expect(outcome).toMatchObject({
      status: "completed",
      result: { isError: true, content: [{ text: expect.stringContaining('"elicitation"') }] },
    });
    expect(deaf.asked).toEqual([]);
  });

  test("cancels a task", async () => {
    const execution = await client.session.callTool("wait");
    const settled = execution.settle();
    await execution.cancel();
    expect((await settled).outcome).toMatchObject({ status: "cancelled" });
    expect(await stored()).toMatchObject([{ taskId: taskIdOf(execution), status: "cancelled" }]);
    // A second cancel is no error.
    await client.session.cancelTask(taskIdOf(execution));
  });

  test("gets the JSON-RPC error of a task that failed", async () => {
    const { outcome } = await (await client.session.callTool("break")).settle();
    expect(outcome).toMatchObject({ status: "failed", error: { code: -32_050, message: "Broken", data: { part: 7 } } });
    expect(() => resultFromTaskOutcome(outcome)).toThrow(TaskFailedError);
  });

  test.each([
    ["refuse", "Refused"],
    ["throw", "Thrown"],
  ])("gets the error of a tool as a result (%s)", async (tool, message) => {
    const { outcome } = await (await client.session.callTool(tool)).settle();
    expect(outcome).toMatchObject({ status: "completed", result: { ...text(message), isError: true } });
  });

  test("gets a direct error for wrong arguments", async () => {
    const execution = await client.session.callTool("add", { a: "two" });
    expect(execution.kind).toBe("immediate");
    expect((await execution.settle()).outcome).toMatchObject({ status: "completed", result: { isError: true } });
    expect(await stored()).toEqual([]);
  });

  describe("with answerWithinMs", () => {
    test("gets a direct answer if the work ends in time", async () => {
      const execution = await client.session.callTool("quick", { how: "answer" });
      expect(execution.kind).toBe("immediate");
      expect((await execution.settle()).outcome).toMatchObject({ status: "completed", result: text("at once") });
      expect(await stored()).toEqual([]);
    });

    test("gets a direct answer from a tool that throws in time", async () => {
      const execution = await client.session.callTool("quick", { how: "throw" });
      expect((await execution.settle()).outcome).toMatchObject({
        status: "completed",
        result: { ...text("Thrown"), isError: true },
      });
      await expect(client.session.callTool("quick", { how: "break" })).rejects.toMatchObject({
        code: -32_050,
        message: "Broken",
        data: { part: 7 },
      });
      expect(await stored()).toEqual([]);
    });

    test("gets a task if the work asks a question", async () => {
      const execution = await client.session.callTool("quick", { how: "ask" });
      expect(execution.kind).toBe("task");
      const { outcome, lastTask } = await execution.settle();
      expect(resultFromTaskOutcome(outcome)).toMatchObject(text("Hello, Ada!"));
      // The handler set this before the task existed.
      expect(lastTask).toMatchObject({ statusMessage: "begun" });
      expect(client.asked).toEqual(["task-update: Your name?"]);
    });

    test("gets a task that it can cancel if the work takes longer", async () => {
      const execution = await client.session.callTool("slow");
      expect(execution.kind).toBe("task");
      await execution.cancel();
      expect((await execution.settle()).outcome).toMatchObject({ status: "cancelled" });
    });
  });

  describe("resumes a task", () => {
    test("with another client, at another server on the same store", async () => {
      let kept = "";
      const execution = await client.session.callTool("ask_name");
      if (execution.kind !== "task") throw new Error("The call was answered at once");
      await store.waitForTask(execution.handle.taskId, { owner: ANY_OWNER, until: ["input_required"] });
      await execution.handoff((reference) => {
        kept = JSON.stringify(reference);
      });
      const elsewhere = cleanUp.use(await listen(cleanUp.use(statelessInstance(place.open()))));
      const other = cleanUp.use(await connectModern(elsewhere.url, { name: "Grace" }));
      const resumed = await other.session.resumeTask(JSON.parse(kept));
      const { outcome } = await resumed.settle();
      expect(resultFromTaskOutcome(outcome)).toMatchObject(text("Hello, Grace!"));
      expect(client.asked).toEqual([]);
    });

    test("after the end, any number of times", async () => {
      const execution = await client.session.callTool("add", { a: 1, b: 1 });
      if (execution.kind !== "task") throw new Error("The call was answered at once");
      const reference = execution.serializeReference();
      await execution.settle();
      for (const name of ["first", "second"]) {
        const other = cleanUp.use(await connectModern(server.url, { name }));
        const { outcome } = await (await other.session.resumeTask(reference)).settle();
        expect(outcome).toMatchObject({ status: "completed", result: { structuredContent: { sum: 2 } } });
      }
    });

    test("but not for another user", async () => {
      const mine = cleanUp.use(await connectModern(server.url, { user: "ada" }));
      const execution = await mine.session.callTool("ask_name");
      if (execution.kind !== "task") throw new Error("The call was answered at once");
      const reference = execution.serializeReference();
      for (const options of [{ user: "eve" }, {}]) {
        const theirs = cleanUp.use(await connectModern(server.url, options));
        await expect(theirs.session.resumeTask(reference)).rejects.toThrow("Task not found");
        expect(theirs.asked).toEqual([]);
      }
      expect((await execution.settle()).outcome).toMatchObject({ status: "completed" });
    });
  });
});
