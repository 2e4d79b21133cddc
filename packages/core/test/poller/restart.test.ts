import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ANY_OWNER, type PollerOptions, startPoller, type TaskPoller, type TaskStore } from "@mcp-task-store/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RemoteTasks } from "../../../../tooling/test/fixtures/remote-tasks.ts";
import { durableStores, type Place } from "../../../../tooling/test/fixtures/stores.ts";

// Real processes, databases and timers. No test depends on speed: leases that must hold are long,
// and only those of killed processes lapse.

const NAMES = ["a", "b", "c"];
const DONE = { content: [{ type: "text", text: "done" }] };

describe.each(durableStores)("over $name", ({ usePlaces }) => {
  const newPlace = usePlaces();
  let place: Place;
  let remote: RemoteTasks;
  let errors: unknown[];
  const pollers: TaskPoller[] = [];

  beforeEach(async () => {
    place = await newPlace();
    remote = new RemoteTasks();
    errors = [];
  });
  afterEach(async () => {
    for (const poller of pollers.splice(0)) await poller.stop();
    await place[Symbol.asyncDispose]();
    expect(errors).toEqual([]);
  });

  function start(options: Partial<PollerOptions> = {}, store: TaskStore = place.open()): TaskPoller {
    const poller = startPoller(store, {
      poll: remote.poll,
      onError: (error) => errors.push(error),
      minIntervalMs: 1,
      claimPollMs: 5,
      ...options,
    });
    pollers.push(poller);
    return poller;
  }

  describe("pollers that share a store", () => {
    test("share the tasks: one poller polls each, and both can wait for any of them", async () => {
      const polledBy = new Map<string, Set<string>>();
      const by = (name: string): Partial<PollerOptions> => ({
        poll(reference) {
          polledBy.set(reference.taskId, (polledBy.get(reference.taskId) ?? new Set()).add(name));
          return remote.poll(reference);
        },
      });
      const both = [start(by("first")), start(by("second"))];
      const names = Array.from({ length: 30 }, (_, index) => `task-${index}`);
      for (const name of names) remote.set(name, { pollIntervalMs: 5 });
      const local = await Promise.all(names.map((taskId, index) => (both[index % 2] as TaskPoller).follow({ taskId })));
      await Promise.all(names.map((name) => remote.polled(name, 4)));
      for (const name of names) remote.set(name, { status: "completed", result: { name } });
      for (const poller of both) {
        const outcomes = await Promise.all(local.map((taskId) => poller.wait(taskId)));
        expect(outcomes).toEqual(names.map((name) => ({ status: "completed", result: { name } })));
      }
      expect([...polledBy.values()].map((set) => set.size)).toEqual(names.map(() => 1));
      expect(new Set([...polledBy.values()].flatMap((set) => [...set])).size).toBe(2);
    });

    test("take over at once the tasks that a stopping poller gives back", async () => {
      // Its leases last two minutes.
      const first = start();
      for (const name of NAMES) remote.set(name, { pollIntervalMs: 5, statusMessage: "half-way" });
      const local = await Promise.all(NAMES.map((taskId) => first.follow({ taskId })));
      await Promise.all(NAMES.map((name) => remote.polled(name, 2)));
      const told: string[] = [];
      const second = start({ onChange: ({ reference }) => told.push(reference.taskId) });
      await first.stop();
      await Promise.all(NAMES.map((name) => remote.polled(name, 3)));
      // The second poller knows the states that the first one stored.
      expect(told).toEqual([]);
      for (const name of NAMES) remote.set(name, { status: "completed", result: DONE });
      expect(await Promise.all(local.map((taskId) => second.wait(taskId)))).toEqual(
        NAMES.map(() => ({ status: "completed", result: DONE })),
      );
    });
  });

  describe("a poller in another process", () => {
    let server: Server;
    let url: string;
    const children: ChildProcess[] = [];

    beforeEach(async () => {
      server = createServer((request, response) => {
        response.end(JSON.stringify(remote.poll({ taskId: String(request.url?.slice(1)) })));
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    afterEach(async () => {
      for (const child of children.splice(0)) child.kill("SIGKILL");
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });

    function pollElsewhere(leaseMs: number, mode: "run" | "stop") {
      const program = fileURLToPath(new URL("../../../../tooling/test/fixtures/poller-process.ts", import.meta.url));
      const args = [program, JSON.stringify(place.address), url, String(leaseMs), mode, ...NAMES];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      return { child, exited: once(child, "exit"), line: async () => String((await lines.next()).value) };
    }

    test("is replaced after a kill: its tasks go on from their last state, without any call", async () => {
      for (const name of NAMES) remote.set(name, { pollIntervalMs: 20 });
      const { child, exited, line } = pollElsewhere(500, "run");
      const local: string[] = JSON.parse(await line());
      const store = place.open();
      for (const name of NAMES) remote.set(name, { pollIntervalMs: 20, statusMessage: "half-way" });
      for (const taskId of local) {
        let revision = 0;
        for (let message: string | undefined; message !== "half-way"; ) {
          const seen = await store.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after: revision });
          message = seen.task.statusMessage;
          revision = seen.revision;
        }
      }
      child.kill("SIGKILL");
      await exited;
      const told: string[] = [];
      const poller = start({ onChange: ({ remote: state }) => told.push(String(state?.status)) }, store);
      // This poller follows nothing itself: the store has all tasks.
      await Promise.all(NAMES.map((name) => remote.polled(name, 2)));
      expect(told).toEqual([]);
      for (const name of NAMES) remote.set(name, { status: "completed", result: { name } });
      const outcomes = await Promise.all(local.map((taskId) => poller.wait(taskId)));
      expect(outcomes).toEqual(NAMES.map((name) => ({ status: "completed", result: { name } })));
      expect(told).toEqual(["completed", "completed", "completed"]);
    });

    test("exits after it stopped its poller, and another poller takes over at once", async () => {
      for (const name of NAMES) remote.set(name, { pollIntervalMs: 20 });
      const { exited, line } = pollElsewhere(2 ** 31 - 1, "stop");
      const local: string[] = JSON.parse(await line());
      expect(await line()).toBe("stopped");
      // Its store is still open.
      expect(await exited).toEqual([0, null]);
      const poller = start();
      for (const name of NAMES) remote.set(name, { status: "completed", result: { name } });
      const outcomes = await Promise.all(local.map((taskId) => poller.wait(taskId)));
      expect(outcomes).toEqual(NAMES.map((name) => ({ status: "completed", result: { name } })));
    });
  });
});
