import { ANY_OWNER } from "@mcp-task-store/core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { stores } from "../fixtures/stores.ts";
import { counted } from "./support/counted.ts";
import { FORM, instance, text } from "./support/instance.ts";

const CALLERS = 200;

describe.each(stores)("$name", ({ name, usePlaces }) => {
  const newPlace = usePlaces();

  test(`${CALLERS} callers at once on two servers`, async () => {
    await using place = await newPlace();
    const ran = new Map<number, number>();
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", onUnhandled);
    const watched = [counted(place.open()), counted(place.open())] as const;
    await using servers = new AsyncDisposableStack();
    try {
      const peers = watched.map(({ store }) => {
        const server = instance(
          store,
          (tasks, server) => {
            tasks.registerTool(server, "double", { inputSchema: z.object({ n: z.number() }) }, async ({ n }, task) => {
              ran.set(n, (ran.get(n) ?? 0) + 1);
              // Every fourth task asks, and gets its answer through the other server.
              if (n % 4 > 0) return text(`${2 * n}`);
              const { content } = await task.elicit(FORM, { key: "k" });
              return text(`${2 * n} ${content?.["name"]}`);
            });
          },
          { worker: { claimPollMs: 50 } },
        );
        return servers.use(server).peer();
      });
      const polled = (n: number) => peers[(n + 1) % 2] as (typeof peers)[number];
      const watcher = place.open();
      const startedAt = performance.now();
      const results = await Promise.all(
        Array.from({ length: CALLERS }, async (_, n) => {
          const { taskId } = await (peers[n % 2] as (typeof peers)[number]).start("double", { n });
          // Some clients listen, the others poll.
          const stream = n % 10 === 0 ? await polled(n).listen([taskId]) : undefined;
          await stream?.acknowledged();
          for (let after = 0, answered = false; ; ) {
            const task = stream ? await stream.state() : await polled(n).task(taskId);
            if (task["status"] === "completed") {
              if (stream) expect(await stream.endsGracefully()).toBe(true);
              return (task["result"] as { content: unknown }).content;
            }
            if (task["status"] === "input_required" && !answered) {
              answered = true;
              await polled(n).update(taskId, { k: { action: "accept", content: { name: `n${n}` } } });
            }
            if (!stream)
              after = (await watcher.waitForTask(taskId, { owner: ANY_OWNER, until: "change", after })).revision;
          }
        }),
      );
      const ms = Math.round(performance.now() - startedAt);
      console.log(`${name}: ${CALLERS} callers to the end in ${ms} ms`);
      expect(results).toEqual(
        Array.from({ length: CALLERS }, (_, n) => text(n % 4 > 0 ? `${2 * n}` : `${2 * n} n${n}`).content),
      );
      expect(ran.size).toBe(CALLERS);
      expect(new Set(ran.values())).toEqual(new Set([1]));
      await servers.disposeAsync();
      await Promise.all(watched.map((store) => store.reaches(0)));
      expect(unhandled).toEqual([]);
    } finally {
      process.off("unhandledRejection", onUnhandled);
    }
  });
});
