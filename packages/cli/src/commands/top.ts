import { setTimeout as sleep } from "node:timers/promises";
import type { OperatorRecordWith, TaskStats, TaskStore } from "@mcp-task-store/core";
import { type Context, defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { failureText } from "../failures.ts";
import { listTable } from "../list-table.ts";
import { Screen, spread } from "../output/screen.ts";
import { parseDuration } from "../output/text.ts";
import { scanOf, statsJson, statsLines } from "../stats.ts";
import { shownAddress } from "../stores/address.ts";

const DEFAULT_INTERVAL = "2s";
const LEAST_INTERVAL_MS = 100;
const DEFAULT_SCAN = 10_000;
/** More than a terminal has rows. */
const ACTIVE = 100;

const OPTIONS = {
  interval: { type: "string", short: "i", value: "DURATION", help: `time between two looks (${DEFAULT_INTERVAL})` },
  scan: { type: "string", value: "N", help: `most tasks to look at each time, the newest first (${DEFAULT_SCAN})` },
  count: { type: "string", value: "N", help: "end after so many looks" },
} as const;

/** What one look has found. */
interface Look {
  readonly stats: TaskStats;
  readonly active: readonly OperatorRecordWith<never>[];
}

type TopContext = Context<typeof OPTIONS>;

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: OPTIONS,
  details:
    "Shows counts and active tasks, and looks again. q ends it, space stops and goes on. Without a terminal it prints one look; with --json it prints each look as a line of JSON.",
  async run(context) {
    const { values, output, signal, open } = context;
    const { interval = DEFAULT_INTERVAL } = values;
    const ms = parseDuration(interval);
    if (ms === undefined || ms < LEAST_INTERVAL_MS) throw new UsageError("--interval takes a duration from 100ms");
    const looks = looksOf(values.count);
    const scan = scanOf(values.scan, DEFAULT_SCAN);
    const { store } = await open();
    if (!output.json && !output.isTerminal) {
      for (const line of frame(context, await look(store, scan))) output.line(line);
      return EXIT.ok;
    }
    if (output.json) {
      for (let number = 0; number < looks; number += 1) {
        if (number > 0) await sleep(ms, undefined, { signal });
        output.record({ stats: statsJson(await store.operations.stats({ scan })) });
      }
      return EXIT.ok;
    }
    return view(context, store, { ms, scan, looks });
  },
});

function looksOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError("--count takes a whole number from 1");
  return Number(text);
}

async function look(store: TaskStore, scan: number): Promise<Look> {
  const [stats, { records }] = await Promise.all([
    store.operations.stats({ scan }),
    store.operations.listRecords({ where: { status: "active" }, limit: ACTIVE }),
  ]);
  return { stats, active: records };
}

/** Draws on the terminal until a key or a signal ends it. */
async function view(
  context: TopContext,
  store: TaskStore,
  { ms, scan, looks }: { ms: number; scan: number; looks: number },
): Promise<number> {
  const { output, signal } = context;
  const quit = new AbortController();
  const over = AbortSignal.any([quit.signal, signal]);
  let stopped = false;
  let latest: Look | undefined;
  let trouble: string | undefined;
  let wake = () => {};
  const onKey = (key: string) => {
    if (key === "q" || key === "\u0003") quit.abort();
    else if (key === " ") stopped = !stopped;
    draw();
    wake();
  };
  using screen = new Screen(onKey, () => draw());
  function draw(): void {
    const state = trouble ?? (stopped ? "stopped, space goes on" : "q ends, space stops");
    if (latest) screen.draw(frame(context, latest, state));
    else screen.draw([output.safe(trouble ?? "looking …")]);
  }
  draw();
  for (let number = 0; number < looks && !over.aborted; ) {
    if (!stopped) {
      try {
        latest = await look(store, scan);
        trouble = undefined;
      } catch (error) {
        // The store may come back.
        trouble = output.safe(failureText(error));
      }
      number += 1;
      draw();
    }
    if (number < looks) await Promise.race([pause(ms, over), new Promise<void>((resolve) => (wake = resolve))]);
  }
  signal.throwIfAborted();
  return EXIT.ok;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function frame({ output, settings }: TopContext, { stats, active }: Look, state = ""): string[] {
  const width = output.width;
  const title = `${shownAddress(settings.address)}  ${stats.at.slice(11, 19)} UTC`;
  const lines = [output.style("inverse", spread(title, state, width)), "", ...statsLines(output, stats)];
  if (active.length > 0) lines.push("", ...listTable(output, active, new Date(stats.at).getTime()));
  return lines;
}
