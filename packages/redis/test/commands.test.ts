// Not portable: how Redis scripts use keys.

import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { aesGcm, type EventLease } from "@mcp-task-store/redis";
import { expect, test } from "vitest";
import { MonitorLog } from "./support/monitor.ts";
import { openStore, operator, ownServer, REQUEST } from "./support/server.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const files = globSync("src/commands/*.lua", { cwd: packageFolder }).toSorted();

/** The names of a command's declared keys, in order. */
function keysOf(text: string): string[] {
  return [...text.matchAll(/^-- KEYS\[\d+(?:\.\.)?\] ([\w:*]+): /gm)].map(([, name]) => name as string);
}

test.each(files)("%s declares exactly the keys and arguments that it uses", (file) => {
  const text = readFileSync(`${packageFolder}/${file}`, "utf8");
  const [header, body] = [/^(?:--.*\n)+/.exec(text)?.[0] ?? "", text.replace(/^(?:--.*\n)+/, "")];
  for (const list of ["KEYS", "ARGV"]) {
    const declared = new Set([...header.matchAll(new RegExp(`${list}\\[(\\d+)`, "g"))].map(([, number]) => number));
    const used = new Set([...body.matchAll(new RegExp(`${list}\\[(\\d+)\\]`, "g"))].map(([, number]) => number));
    const open = new RegExp(`${list}\\[(\\d+)\\.\\.\\]`).exec(header)?.[1];
    if (open !== undefined) {
      expect(body, `${list} from ${open} on`).toMatch(new RegExp(`ipairs\\(${list}\\)|#${list}|unpack\\(${list}`));
      used.add(open);
    }
    // Carried commands use this command's keys by name.
    const carried = [...body.matchAll(/^-- command "([\w-]+)"$/gm)].map(([, name]) => name);
    for (const name of list === "KEYS" ? carried : [])
      for (const key of keysOf(readFileSync(`${packageFolder}/src/commands/${name}.lua`, "utf8")))
        used.add(`${keysOf(text).indexOf(key) + 1}`);
    expect(used, list).toEqual(declared);
  }
  expect(header, "what it returns").toMatch(/^-- Returns /m);
  // Keys come from KEYS, never from literals. Only a family's member key is built in the script.
  expect(body).not.toMatch(/redis\.p?call\('\w+', ['"]/);
  expect(body).not.toMatch(/\.\. ':' \.\./);
});

test("scripts touch only keys, or members of key families, that they declare", async () => {
  const { url } = await ownServer();
  const log = await MonitorLog.start(operator(url));
  const store = openStore({ url, limits: { activeTasks: 100, activeTasksPerOwner: 100 } });

  // Every command, in every branch that touches keys.
  const { taskId } = await store.createTask({ ttl: 60_000 }, 1, REQUEST, "ada");
  await store.createTask({ claimAfterMs: 0 }, 1, REQUEST);
  await expect(store.createTask({ taskId }, 1, REQUEST)).rejects.toThrow("already exists");
  const lease = await store.acquireLease(taskId, { owner: "ada" });
  await store.renewLease(lease);
  await store.requestInputs(taskId, { q: { method: "elicitation/create" } });
  await store.provideInputs(taskId, { q: 1 });
  await store.updateTask(taskId, { checkpoint: 1 });
  await store.getRecord(taskId, { owner: "ada" });
  await store.finishTask(taskId, { status: "completed", result: {} }, { lease });
  await store.waitForTask(taskId);
  await Promise.all([
    ...["ada", undefined].map((owner) => store.createTask({ ttl: 60_000 }, 1, REQUEST, owner)),
    ...[1, 2].map(() => store.getTask(taskId)),
    ...[1, 2].map(() => store.getRecord(taskId, { owner: "ada" })),
  ]);
  const many = await Promise.all([1, 2, 3, 4].map(() => store.createTask({ ttl: 60_000 }, 1, REQUEST, "ada")));
  await Promise.all(many.map((task) => store.acquireLease(task.taskId, { owner: "ada" })));
  await Promise.all(many.map((task) => store.cancelTask(task.taskId)));
  await store.claimTask({ names: ["grind", "other"] });
  for (let n = 0; n < 3; n += 1) await store.createTask({ ttl: 1, claimAfterMs: 0 }, 1, REQUEST, "ada");
  await new Promise((resolve) => setTimeout(resolve, 20));
  await store.listTasks();
  await store.listTasks(undefined, "ada");
  await store.claimTask({ names: ["grind"] });
  await store.deleteExpired();
  const notification = { type: "notification", message: { jsonrpc: "2.0", method: "n" }, timestamp: 1 } as const;
  for (let n = 0; n < 3; n += 1) await store.messages.enqueue(taskId, notification);
  await expect(store.messages.enqueue(taskId, notification, undefined, 1)).rejects.toThrow("overflow");
  await store.messages.dequeue(taskId);
  await store.messages.dequeueAll(taskId);
  const { operations } = store;
  for (const where of [{}, { owner: "ada" }, { status: "active" }, { status: "active", owner: "ada" }] as const)
    await operations.listRecords({
      where: { ...where, payload: { arguments: {} } },
      order: "oldest",
      fields: ["result"],
    });
  const failing = await store.createTask({ ttl: 60_000 }, 1, REQUEST, "ada");
  await store.finishTask(failing.taskId, { status: "failed", error: { code: 1, message: "" } });
  await store.cancelTask((await store.createTask({}, 1, REQUEST)).taskId);
  await operations.rerunTask(failing.taskId);
  await store.messages.enqueue(failing.taskId, notification);
  const exported = [];
  for await (const task of operations.exportTasks()) exported.push(task);
  await operations.removeTasks({ status: "ended" });
  await operations.importTasks(exported);
  const limits = { names: ["grind"], concurrency: { grind: { running: 2, runningPerOwner: 1 } } };
  for (const owner of ["ada", "ada", undefined])
    await store.createTask({ ttl: 1000, claimAfterMs: 0 }, 1, REQUEST, owner);
  await store.claimTasks({ ...limits, leaseMs: 1, limit: 3 });
  await store.createTask({ ttl: 60_000, claimAfterMs: 0 }, 1, REQUEST, "grace");
  const held = await store.claimTasks({ ...limits, limit: 3 });
  for (const { lease } of held) await store.releaseLease(lease);
  await store.claimTasks({ ...limits, limit: 3 });
  const ended = await store.createTask({ ttl: 60_000, claimAfterMs: 0 }, 1, REQUEST);
  await store.cancelTask(ended.taskId);
  await operations.removeTasks({ status: "ended" });
  await operations.importTasks(exported);
  const stepped = await store.createTask({}, 1, REQUEST);
  await store.updateTask(stepped.taskId, { step: { name: "sow", result: 1 } });
  await store.readSteps(stepped.taskId);
  await store.events.register({ name: "audit", on: ["created", "progress", "end"] });
  for (const n of [1, 2, 3]) await store.createTask({ context: { n } }, 1, REQUEST, "ada");
  const [first, second, third] = (await store.events.take({ notifier: "audit", limit: 3, leaseMs: 60_000 })) ?? [];
  await store.events.settle("audit", [
    { lease: first?.lease as EventLease, outcome: "delivered" },
    { lease: second?.lease as EventLease, outcome: "setAside", error: "gone" },
    { lease: third?.lease as EventLease, outcome: "failed", error: "busy", retryMs: 1 },
  ]);
  await operations.listEvents({ notifier: "audit" });
  await operations.redeliverEvents({ notifier: "audit", all: true });
  await operations.notifiers();
  await operations.removeNotifier("audit");
  await operations.pauseClaims("grind");
  await store.claimTask({ names: ["grind"] });
  await operations.resumeClaims("grind");
  await store.close();

  const encrypt = aesGcm({ keys: { key: new Uint8Array(32) }, current: "key" });
  const coded = openStore({ url, codec: { encrypt } });
  await coded.operations.rotatePayloads();
  await coded.close();

  const scripts = await log.stop();
  expect(new Set(scripts.map(({ sha1 }) => sha1)).size, "commands that ran").toBe(files.length);
  for (const { keys, touched } of scripts) {
    const undeclared = touched.filter(
      (key) => !keys.some((declared) => key === declared || key.startsWith(`${declared}:`)),
    );
    expect(undeclared).toEqual([]);
    expect(new Set(keys.map((key) => /\{.*?\}/.exec(key)?.[0]))).toEqual(new Set(["{mcp}"]));
  }
});
