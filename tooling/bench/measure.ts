/** Measures contestants side by side, so that other load of the machine affects all of them. */
import { availableParallelism } from "node:os";
import {
  type Comparison,
  type Contestant,
  DEFAULT_METRICS,
  type Figures,
  type Measured,
  type Metric,
  RATE,
  type Row,
  type Settings,
} from "./scenario.ts";
import type { ServerCpu } from "./server-cpu.ts";
import { spreadOf } from "./statistics.ts";

/** One contestant, with its measurements so far. */
interface Runner {
  readonly contestant: Contestant;
  readonly runs: Run[];
  operations: number;
}

/**
 * Runs the comparison and returns its rows. The order of the contestants is turned about each
 * round.
 */
export async function measure(comparison: Comparison, settings: Settings, serverCpu?: ServerCpu): Promise<Row[]> {
  await using cleanUp = new AsyncDisposableStack();
  const contestants = await comparison.setUp(cleanUp);
  const least = comparison.operations ?? comparison.leastOperations ?? 1;
  const runners = contestants.map((contestant): Runner => ({ contestant, runs: [], operations: least }));
  const fixed = comparison.operations !== undefined;
  if (!fixed) for (const runner of runners) await warmUp(runner, least, settings);

  const rounds = Math.min(comparison.rounds ?? settings.rounds, settings.rounds);
  for (let round = 0; round < rounds; round += 1) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
      const done = await run(runner, serverCpu);
      runner.runs.push(done);
      if (!fixed) runner.operations = operationsFor(settings.slotMs, runner.operations, done.elapsedMs, least);
    }
  }
  return Object.entries(comparison.metrics ?? DEFAULT_METRICS).flatMap(([name, metric]) =>
    rowsOf(comparison.title, name, metric, runners),
  );
}

/** Warms up: compiles the code, opens the connections, and finds how many operations make a run. */
async function warmUp(runner: Runner, least: number, { slotMs, warmUpMs }: Settings): Promise<void> {
  for (let left = warmUpMs; left > 0; ) {
    const { elapsedMs } = await run(runner);
    left -= elapsedMs;
    // The first runs say little about later ones, so the number grows at most fourfold at a time.
    const most = runner.operations * 4;
    runner.operations = Math.min(most, operationsFor(slotMs, runner.operations, elapsedMs, least));
  }
}

function operationsFor(slotMs: number, operations: number, elapsedMs: number, least: number): number {
  return Math.max(least, Math.round((slotMs * operations) / Math.max(elapsedMs, 0.01)));
}

interface Run {
  readonly operations: number;
  readonly figures: Figures;
  readonly elapsedMs: number;
  /** Of the client's processes. */
  readonly cpuMs: number;
  readonly serverMs?: number;
}

async function run({ contestant, operations }: Runner, serverCpu?: ServerCpu): Promise<Run> {
  await contestant.before?.(operations);
  // Collects garbage, so that the next contestant does not pay for it. Needs --expose-gc.
  globalThis.gc?.();
  const serverBefore = await serverCpu?.();
  const othersBefore = (await contestant.otherCpuMs?.()) ?? 0;
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const figures = await contestant.run(operations);
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  const othersAfter = (await contestant.otherCpuMs?.()) ?? 0;
  const serverAfter = await serverCpu?.();
  await contestant.after?.();
  return {
    operations,
    figures: figures ?? { [RATE]: (1000 * operations) / elapsedMs },
    elapsedMs,
    cpuMs: (user + system) / 1000 + othersAfter - othersBefore,
    ...(serverBefore === undefined || serverAfter === undefined ? {} : { serverMs: serverAfter - serverBefore }),
  };
}

function busyIn(runs: readonly Run[]): NonNullable<Measured["busy"]> {
  const sum = (msOf: (run: Run) => number) => runs.reduce((total, run) => total + msOf(run), 0);
  const all = sum(({ elapsedMs }) => elapsedMs) * availableParallelism();
  const client = sum(({ cpuMs }) => cpuMs) / all;
  if (runs.some(({ serverMs }) => serverMs === undefined)) return { client };
  return { client, server: sum(({ serverMs = 0 }) => serverMs) / all };
}

function rowsOf(title: string, name: string, metric: Metric, runners: readonly Runner[]): Row[] {
  const [ours, ...others] = runners;
  if (!ours) throw new Error(`${title}: there is nothing to measure`);
  const valuesOf = ({ contestant, runs }: Runner) =>
    runs.map(({ figures }) => {
      const value = figures[name];
      if (value === undefined) throw new Error(`${title}: ${contestant.name} does not tell ${name}`);
      return value;
    });
  const measured = (runner: Runner): Measured => ({
    name: runner.contestant.name,
    figure: spreadOf(valuesOf(runner)),
    busy: busyIn(runner.runs),
  });
  const cpuOf = ({ runs }: Runner) => runs.map(({ cpuMs, operations }) => cpuMs / operations);
  const own = valuesOf(ours);
  const ownCpu = cpuOf(ours);
  const row = { title, metric: name, ...metric, ours: measured(ours) };
  if (others.length === 0) return [row];
  return others.map((runner) => {
    const theirs = valuesOf(runner);
    const theirCpu = cpuOf(runner);
    const rounds = own.map((value, round) => {
      const other = theirs[round] as number;
      return metric.better === "higher" ? value / other : other / value;
    });
    return {
      ...row,
      other: measured(runner),
      ratio: { ...spreadOf(rounds), rounds },
      cpu: spreadOf(ownCpu.map((own, round) => (theirCpu[round] as number) / own)),
      ...(runner.contestant.goal === undefined ? {} : { goal: runner.contestant.goal }),
    };
  });
}
