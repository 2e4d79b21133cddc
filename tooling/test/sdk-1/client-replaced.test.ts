import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { ANY_OWNER, startWorker, type TaskHandler, type TaskStoreOptions } from "@mcp-task-store/core";
import { afterEach, describe, expect, test } from "vitest";
import { aborted, rejection } from "../fixtures/events.ts";
import { type Requestor, useTaskClients, ways } from "../fixtures/sdk-1-requestor.ts";
import { FILLED_IN, held, SAID } from "../fixtures/sdk-1-task-client.ts";
import { durableStores, stores } from "../fixtures/stores.ts";

// A client may end before its tasks do. The next client serves the tasks left in the store.

/** All sessions of a client belong to one user. */
const anns: TaskStoreOptions = { owner: () => "ann" };

const sayHowFar: TaskHandler = ({ attempt, checkpoint }) => ({
  ...SAID,
  content: { type: "text", text: JSON.stringify({ attempt, checkpoint }) },
});

/** The errors that a server gets for this task from every method. */
async function refusals(requestor: Requestor, taskId: string): Promise<string[]> {
  const attempts = [requestor.get(taskId), requestor.sampled(taskId), requestor.cancel(taskId)];
  return (await Promise.all(attempts.map(rejection))).map(String);
}

describe.each(stores)("Clients of SDK 1.x that are replaced, over $name,", (kind) => {
  const clients = useTaskClients(kind);

  describe.each(ways)("talking over %s", (way) => {
    test("leave answers to the next client, where the server gets them", async () => {
      const store = clients.place.open(anns);
      const first = await clients.converse(way, { store, answer: () => SAID });
      const { taskId } = await first.requestor.sample();
      await first.client.runs.get(taskId);
      await first.client.close();
      await store.close();

      const { requestor } = await clients.converse(way, { store: clients.place.open(anns) });
      expect(await requestor.list()).toMatchObject({ tasks: [{ taskId, status: "completed" }] });
      expect(await requestor.sampled(taskId)).toMatchObject(SAID);
    });

    test("leave work to the next client, which continues from the checkpoint", async () => {
      const store = clients.place.open(anns);
      const stop = new AbortController();
      const saved = Promise.withResolvers<void>();
      const first = await clients.converse(way, {
        store,
        signal: stop.signal,
        async answer({ progress, signal }) {
          await progress("1 of 2", { done: 1 });
          saved.resolve();
          throw await aborted(signal);
        },
      });
      const { taskId } = await first.requestor.sample();
      await saved.promise;
      stop.abort();
      expect(await first.client.runs.get(taskId)).toMatchObject({ stored: false, status: "working" });
      await first.client.close();
      await store.close();

      const next = clients.place.open(anns);
      const { requestor } = await clients.converse(way, { store: next });
      expect(await requestor.get(taskId)).toMatchObject({ status: "working", statusMessage: "1 of 2" });
      const pending = requestor.sampled(taskId);
      await using _worker = startWorker(next, { "sampling/createMessage": sayHowFar });
      expect(await pending).toMatchObject({ content: { text: '{"attempt":1,"checkpoint":{"done":1}}' } });
    });
  });

  test("find their tasks again without an owner if they return to their session", async () => {
    const first = await clients.converse("Streamable HTTP", { answer: () => SAID });
    const { taskId } = await first.requestor.sample();
    await first.client.runs.get(taskId);
    const sessionId = first.client.transport?.sessionId;
    await first.client.close();

    const again = await clients.converse("Streamable HTTP", { store: clients.other }, sessionId);
    expect(await again.requestor.sampled(taskId)).toMatchObject(SAID);
    const elsewhere = await clients.converse("Streamable HTTP", { store: clients.other });
    for (const error of await refusals(elsewhere.requestor, taskId)) expect(error).toMatch(/not found/i);
    expect(await elsewhere.requestor.list()).toMatchObject({ tasks: [] });
  });

  test("can run beside the next client, and either cancels the task", async () => {
    const { answer, finish, task } = held();
    const first = await clients.converse("a pair of pipes", { answer });
    const { taskId } = await first.requestor.sample();
    const { signal } = await task;
    const second = await clients.converse("a pair of pipes", { store: clients.other });
    expect(await second.requestor.cancel(taskId)).toMatchObject({ status: "cancelled" });
    expect(await aborted(signal)).toMatchObject({ code: "TASK_TERMINAL", status: "cancelled" });
    finish(SAID);
    expect(await first.client.runs.get(taskId)).toMatchObject({ stored: false });
    expect(await first.requestor.get(taskId)).toMatchObject({ status: "cancelled" });
  });

  test.each(ways)("can leave the work to another handle, talking over %s", async (way) => {
    const { requestor } = await clients.converse(way);
    const [sampled, elicited] = [await requestor.sample(), await requestor.elicit()];
    const pending = [requestor.sampled(sampled.taskId), requestor.elicited(elicited.taskId)];
    const { owner } = (await clients.other.getRecord(sampled.taskId, { owner: ANY_OWNER })) ?? {};
    await clients.other.storeTaskResult(sampled.taskId, "completed", SAID, owner);
    await clients.other.finishTask(elicited.taskId, { status: "completed", result: FILLED_IN }, { owner: ANY_OWNER });
    expect(await Promise.all(pending)).toMatchObject([SAID, FILLED_IN]);
  });

  test("isolate sessionless servers of one client if each has its own owner", async () => {
    const [one, two] = [clients.place.open({ owner: () => "one" }), clients.place.open({ owner: () => "two" })];
    const mine = await clients.converse("a pair of pipes", { store: one, answer: () => SAID });
    const theirs = await clients.converse("a pair of pipes", { store: two });
    const { taskId } = await mine.requestor.sample();
    for (const error of await refusals(theirs.requestor, taskId)) expect(error).toMatch(/not found/i);
    expect(await theirs.requestor.list()).toMatchObject({ tasks: [] });
    expect(await mine.requestor.sampled(taskId)).toMatchObject(SAID);
  });
});

describe.each(durableStores)("A client of SDK 1.x that is killed, over $name,", (kind) => {
  const clients = useTaskClients(kind);
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  test("leaves its work to the next client, where the server gets the answer", async () => {
    const { url, next } = await clients.listen();
    const program = fileURLToPath(new URL("../fixtures/task-client-process.ts", import.meta.url));
    const args = [program, JSON.stringify(clients.place.address), String(url), "300"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
    children.push(child);
    const asked = await next();
    const { taskId } = await asked.sample();
    const lost = rejection(asked.sampled(taskId));
    let { revision } = await clients.other.waitForTask(taskId, { until: "change", owner: ANY_OWNER });
    while ((await asked.get(taskId)).statusMessage === undefined)
      ({ revision } = await clients.other.waitForTask(taskId, { until: "change", after: revision, owner: ANY_OWNER }));
    child.kill("SIGKILL");
    await once(child, "exit");
    await asked.mcp.close();
    await lost;

    const store = clients.place.open(anns);
    const { requestor } = await clients.converse("Streamable HTTP", { store });
    expect(await requestor.get(taskId)).toMatchObject({ status: "working", statusMessage: "half-way" });
    const pending = requestor.sampled(taskId);
    await using _worker = startWorker(store, { "sampling/createMessage": sayHowFar }, { claimPollMs: 10 });
    expect(await pending).toMatchObject({ content: { text: '{"attempt":2,"checkpoint":{"half":true,"attempt":1}}' } });
  });
});
