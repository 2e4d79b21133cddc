/** The types of a scenario and of its measurement. */
import type { Place } from "./places.ts";
import type { StoreName } from "./stores.ts";

/**
 * A measurement on some of the stores. Each is a module of `scenarios/`, listed in
 * `scenarios/index.ts`.
 */
export interface Scenario {
  readonly name: string;
  /** A sentence above the table. */
  readonly title: string;
  /**
   * Facts that a reader needs to judge the figures, such as what the other contestant does. Part of
   * the JSON.
   */
  readonly notes: readonly string[];
  readonly stores: readonly StoreName[];
  comparisons(place: Place, settings: Settings): readonly Comparison[];
}

/** A row of the table, or several: one for each contestant after the first, and for each metric. */
export interface Comparison {
  readonly title: string;
  /** The metrics of a run. Default: operations a second, from the time that `run` took. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  /**
   * Operations of each run. Default: as many as fit in `Settings.slotMs`, found while warming up.
   */
  readonly operations?: number;
  /** Fewest operations of a run, for instance several for each one in flight. Default 1. */
  readonly leastOperations?: number;
  /** Fewer rounds, for slow runs. Default: those of the command line. */
  readonly rounds?: number;
  /**
   * Makes the contestants. `cleanUp` undoes it. The first contestant is ours, and the ratios
   * compare it with the others. A single one has no ratio.
   */
  setUp(cleanUp: AsyncDisposableStack): Promise<readonly Contestant[]>;
}

export interface Metric {
  readonly unit: string;
  readonly better: "higher" | "lower";
  /**
   * Our goal: a maximum, or a minimum if higher is better, independent of other contestants. Shown,
   * never asserted.
   */
  readonly limit?: number;
}

/** Values by the name of the metric. */
export type Figures = Readonly<Record<string, number>>;

export interface Contestant {
  readonly name: string;
  /** The ratio to this contestant that is our goal. Shown, never asserted. */
  readonly goal?: number;
  /** Prepares a run. Not timed. */
  before?(operations: number): Promise<void>;
  /** The timed part. Returns a figure for each metric, or nothing if its time is the figure. */
  // biome-ignore lint/suspicious/noConfusingVoidType: an async function without a return statement returns it
  run(operations: number): Promise<Figures | void>;
  /** The CPU time so far, in ms, of other client processes of this contestant. */
  otherCpuMs?(): Promise<number>;
  /** Undoes `before`, and throws if the run left a wrong state. Not timed. */
  after?(): Promise<void>;
}

export const RATE = "rate";
export const DEFAULT_METRICS: Readonly<Record<string, Metric>> = { [RATE]: { unit: "tasks/s", better: "higher" } };

export interface Settings {
  /** The amount of tasks for scenarios that measure the cost of many tasks. */
  readonly scale: "quick" | "usual" | "full";
  readonly rounds: number;
  /** Target duration of a run, in ms. */
  readonly slotMs: number;
  /** Least warm-up time of each contestant, in ms. */
  readonly warmUpMs: number;
}

export interface Spread {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/** What was measured of a contestant. */
export interface Measured {
  readonly name: string;
  readonly figure: Spread;
  /** The share of all processors' time, over all rounds. */
  readonly busy?: {
    /** Of this process, and of other client processes that the contestant tells of. */
    readonly client: number;
    /** Absent if there is no server, or if it is not on this machine. */
    readonly server?: number;
  };
}

/** One contestant against ours. */
export interface Row {
  readonly title: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: Metric["better"];
  readonly limit?: number;
  readonly ours: Measured;
  readonly other?: Measured;
  /**
   * The ratio to the other contestant, by round, from two neighbouring runs. Above 1, ours is
   * better.
   */
  readonly ratio?: Spread & { readonly rounds: readonly number[] };
  /**
   * The client's CPU time per operation: theirs divided by ours. Above 1, ours takes less. It
   * excludes servers and disks, and hardly depends on other load.
   */
  readonly cpu?: Spread;
  readonly goal?: number;
}
