/** Measures contestants side by side, so that whatever else the machine does befalls all of them. */
import {
  type Comparison,
  type Contestant,
  DEFAULT_METRICS,
  type Figures,
  type Metric,
  RATE,
  type Row,
  type Settings,
} from "./scenario.ts";
import { spreadOf } from "./statistics.ts";

/** One contestant, with what was measured of it so far. */
interface Runner {
  readonly contestant: Contestant;
  readonly figures: Figures[];
  /** Of this process, in ms an operation. */
  readonly cpu: number[];
  operations: number;
}

/** Runs the comparison and returns its rows. The order of the contestants is turned about each round. */
export async function measure(comparison: Comparison, settings: Settings): Promise<Row[]> {
  await using cleanUp = new AsyncDisposableStack();
  const contestants = await comparison.setUp(cleanUp);
  const least = comparison.operations ?? comparison.leastOperations ?? 1;
  const runners = contestants.map((contestant): Runner => ({ contestant, figures: [], cpu: [], operations: least }));
  const fixed = comparison.operations !== undefined;
  if (!fixed) for (const runner of runners) await warmUp(runner, least, settings);

  const rounds = Math.min(comparison.rounds ?? settings.rounds, settings.rounds);
  for (let round = 0; round < rounds; round += 1) {
    for (const runner of round % 2 === 0 ? runners : runners.toReversed()) {
      const { figures, elapsedMs, cpuMs } = await run(runner);
      runner.figures.push(figures);
      runner.cpu.push(cpuMs / runner.operations);
      if (!fixed) runner.operations = operationsFor(settings.slotMs, runner.operations, elapsedMs, least);
    }
  }
  return Object.entries(comparison.metrics ?? DEFAULT_METRICS).flatMap(([name, metric]) =>
    rowsOf(comparison.title, name, metric, runners),
  );
}

/** Until the code is compiled, the connections are open, and it is known how many operations make a run. */
async function warmUp(runner: Runner, least: number, { slotMs, warmUpMs }: Settings): Promise<void> {
  for (let left = warmUpMs; left > 0; ) {
    const { elapsedMs } = await run(runner);
    left -= elapsedMs;
    // The first ones say little of those to come.
    const most = runner.operations * 4;
    runner.operations = Math.min(most, operationsFor(slotMs, runner.operations, elapsedMs, least));
  }
}

function operationsFor(slotMs: number, operations: number, elapsedMs: number, least: number): number {
  return Math.max(least, Math.round((slotMs * operations) / Math.max(elapsedMs, 0.01)));
}

interface Run {
  readonly figures: Figures;
  readonly elapsedMs: number;
  readonly cpuMs: number;
}

async function run({ contestant, operations }: Runner): Promise<Run> {
  await contestant.before?.(operations);
  // What one has thrown away must not be collected at the expense of the next. Needs --expose-gc.
  globalThis.gc?.();
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const figures = await contestant.run(operations);
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpuBefore);
  await contestant.after?.();
  return { figures: figures ?? { [RATE]: (1000 * operations) / elapsedMs }, elapsedMs, cpuMs: (user + system) / 1000 };
}

function rowsOf(title: string, name: string, metric: Metric, runners: readonly Runner[]): Row[] {
  const [ours, ...others] = runners;
  if (!ours) throw new Error(`${title}: there is nothing to measure`);
  const valuesOf = ({ contestant, figures }: Runner) =>
    figures.map((each) => {
      const value = each[name];
      if (value === undefined) throw new Error(`${title}: ${contestant.name} does not tell ${name}`);
      return value;
    });
  const own = valuesOf(ours);
  const row = { title, metric: name, ...metric, ours: { name: ours.contestant.name, figure: spreadOf(own) } };
  if (others.length === 0) return [row];
  return others.map((runner) => {
    const theirs = valuesOf(runner);
    const rounds = own.map((value, round) => {
      const other = theirs[round] as number;
      return metric.better === "higher" ? value / other : other / value;
    });
    return {
      ...row,
      other: { name: runner.contestant.name, figure: spreadOf(theirs) },
      ratio: { ...spreadOf(rounds), rounds },
      cpu: spreadOf(ours.cpu.map((own, round) => (runner.cpu[round] as number) / own)),
      ...(runner.contestant.goal === undefined ? {} : { goal: runner.contestant.goal }),
    };
  });
}
