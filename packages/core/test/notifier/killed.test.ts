import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { TASK_EVENT_KINDS, type TaskStore } from "@mcp-task-store/core";
import { afterEach, describe, expect, test, vi } from "vitest";
import { durableStores } from "../../../../tooling/test/fixtures/stores.ts";

const program = fileURLToPath(new URL("../../../../tooling/test/fixtures/notifier-process.ts", import.meta.url));
const KILLS = 4;
const children = new Set<ChildProcess>();

afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

/** Starts a process that delivers, and resolves once it has begun so many deliveries. */
async function deliverElsewhere(address: unknown, file: string, mode: "deliver" | "hang", deliveries: number) {
  const child = spawn(process.execPath, [program, JSON.stringify(address), file, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  const enough = Promise.withResolvers<void>();
  let left = deliveries;
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line === "begun") left -= 1;
    if (left <= 0) enough.resolve();
  });
  await Promise.race([enough.promise, once(child, "exit")]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
  children.delete(child);
}

/** The life of a task: five visible changes. */
async function live(store: TaskStore): Promise<string> {
  const { taskId } = await store.createTask({ name: "work" });
  for (const statusMessage of ["a", "b", "c"]) await store.updateTask(taskId, { statusMessage });
  await store.finishTask(taskId, { status: "completed", result: {} });
  return taskId;
}

describe.each(durableStores)("notifiers that are killed, over $name,", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("deliver every event at least once and in order, while others go on", { timeout: 120_000 }, async () => {
    await using place = await newPlace();
    const folder = await mkdtemp(join(tmpdir(), "deliveries-"));
    const file = join(folder, "lines");
    const store = place.open();
    await store.events.register({ name: "receiver", on: TASK_EVENT_KINDS });
    // There is something to deliver until the last one is killed.
    let goesOn = true;
    const living = (async () => {
      const taskIds: string[] = [];
      while (goesOn) {
        const [notifier] = await store.operations.notifiers();
        // Not many more than the processes deliver.
        if ((notifier?.waiting ?? 0) < 100) taskIds.push(...(await Promise.all([live(store), live(store)])));
        // The writes of SQLite would leave no turn to anything else.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return taskIds;
    })();
    // The first one is killed in the middle of deliveries, which others have to repeat.
    const hung = await deliverElsewhere(place.address, file, "hang", 4);
    const begun = (await readFile(file, "utf8")).trimEnd().split("\n").length;
    expect(begun).toBe(4);
    await kill(hung);
    await deliverElsewhere(place.address, file, "deliver", 1);
    for (let kills = 0; kills < KILLS; kills += 1)
      await kill(await deliverElsewhere(place.address, file, "deliver", 3 + kills));
    goesOn = false;
    const taskIds = await living;
    await vi.waitFor(
      async () => expect(await store.operations.notifiers()).toMatchObject([{ waiting: 0, setAside: 0 }]),
      { timeout: 60_000, interval: 50 },
    );
    await Promise.all([...children].map(kill));
    const lines = (await readFile(file, "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as [taskId: string, revision: number, id: string]);
    await rm(folder, { recursive: true });
    for (const taskId of taskIds) {
      const mine = lines.filter(([id]) => id === taskId);
      // Each event for the first time: repeats have the id of the first delivery.
      const first = mine.filter(([, , id], index) => mine.findIndex((each) => each[2] === id) === index);
      expect(first.map(([, revision]) => revision)).toEqual([1, 2, 3, 4, 5]);
    }
    // The hung process's deliveries at least were repeated.
    expect(lines.length).toBeGreaterThanOrEqual(taskIds.length * 5 + 4);
  });
});
