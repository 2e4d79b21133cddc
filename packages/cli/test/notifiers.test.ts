import type { EventLease } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { json, mcpTasks } from "./support/cli.ts";
import { places } from "./support/places.ts";

describe.each(places)("$name", ({ use }) => {
  const place = use();

  test("events that were set aside are listed, delivered again, and removed with their notifier", async () => {
    const { store } = place;
    const notifier = "crm";
    await store.events.register({ name: notifier, on: ["created"] });
    const taskIds = [];
    for (const owner of ["ada", "bob"]) taskIds.push((await store.createTask({ name: "render", owner })).taskId);
    const taken = (await store.events.take({ notifier, limit: 2, leaseMs: 60_000 })) ?? [];
    const aside = { outcome: "setAside", error: "410 Gone" } as const;
    await store.events.settle(notifier, [{ lease: taken[0]?.lease as EventLease, ...aside }]);

    expect(await json(["notifiers", ...place.args])).toMatchObject({
      notifiers: [{ name: notifier, on: ["created"], waiting: 1, setAside: 1 }],
    });
    expect((await mcpTasks(["notifiers", ...place.args])).stdout).toMatch(/NOTIFIER .*\ncrm +1 +1 .* created\n$/);
    const { events } = await json(["notifiers", notifier, ...place.args]);
    expect(events).toMatchObject([{ kind: "created", setAside: true, error: "410 Gone", task: { owner: "ada" } }]);
    expect((await mcpTasks(["notifiers", notifier, ...place.args])).stdout).toContain("410 Gone");
    expect((await json(["notifiers", notifier, "--waiting", ...place.args])).events).toHaveLength(2);

    expect(await json(["redeliver", notifier, "--all", "--dry-run", ...place.args])).toMatchObject({ done: 1 });
    const [{ id }] = events;
    expect((await mcpTasks(["redeliver", notifier, id, "unknown", ...place.args])).code).toBe(1);
    expect((await store.operations.notifiers())[0]).toMatchObject({ waiting: 2, setAside: 0 });

    expect((await mcpTasks(["unregister", notifier, "--yes", "--read-only", ...place.args])).code).toBe(2);
    expect(await json(["unregister", notifier, "--yes", ...place.args])).toMatchObject({ events: 2 });
    expect(await store.operations.notifiers()).toEqual([]);
    expect((await mcpTasks(["unregister", notifier, "--yes", ...place.args])).code).toBe(1);
  });

  test("wrong lines say what to give", async () => {
    const lines = [
      ["redeliver", "crm"],
      ["redeliver", "crm", "id", "--all"],
      ["notifiers", "crm", "--limit", "0"],
    ];
    for (const line of lines) expect((await mcpTasks([...line, ...place.args])).code).toBe(2);
  });
});
