/** What a scenario says, and what comes of measuring it. */
import type { Place } from "./places.ts";

export const STORES = ["memory", "sqlite", "postgres", "redis"] as const;
export type StoreName = (typeof STORES)[number];

/** Something that is measured on some of the stores. One module of `scenarios/` each; `scenarios/index.ts` lists them. */
export interface Scenario {
  readonly name: string;
  /** In a sentence, above the table. */
  readonly title: string;
  /** What a reader has to know to judge the figures, such as what the other side does; goes into the JSON. */
  readonly notes: readonly string[];
  readonly stores: readonly StoreName[];
  comparisons(place: Place, settings: Settings): readonly Comparison[];
}

/** A row of the table, or several: one for each contestant after the first, and for each metric. */
export interface Comparison {
  readonly title: string;
  /** What is told of a run. Default: operations a second, from the time that `run` took. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  /** Operations of each run. Default: as many as take `Settings.slotMs`, found while warming up. */
  readonly operations?: number;
  /** Fewest operations of a run, for instance several for each one in flight. Default 1. */
  readonly leastOperations?: number;
  /** Fewer rounds, for what takes long. Default: those of the command line. */
  readonly rounds?: number;
  /**
   * Makes the contestants; what has to be undone goes to `cleanUp`. The first one is ours, the others are what it is compared with; a
   * single one is shown without a ratio.
   */
  setUp(cleanUp: AsyncDisposableStack): Promise<readonly Contestant[]>;
}

export interface Metric {
  readonly unit: string;
  readonly better: "higher" | "lower";
  /** What we want at most, or at least if higher is better, whatever others reach; shown, never asserted. */
  readonly limit?: number;
}

/** Values by the name of the metric. */
export type Figures = Readonly<Record<string, number>>;

export interface Contestant {
  readonly name: string;
  /** The least ratio that we want to reach against this one; shown, never asserted. */
  readonly goal?: number;
  /** Not timed: what has to be there before a run. */
  before?(operations: number): Promise<void>;
  /** Timed. Returns figures of its own, one for each metric, or nothing: then its time counts. */
  // biome-ignore lint/suspicious/noConfusingVoidType: an async function without a return statement returns it
  run(operations: number): Promise<Figures | void>;
  /** Not timed: undoes `before`, and checks what the run left, by throwing. */
  after?(): Promise<void>;
}

export const RATE = "rate";
export const DEFAULT_METRICS: Readonly<Record<string, Metric>> = { [RATE]: { unit: "tasks/s", better: "higher" } };

export interface Settings {
  /** How much is put into stores where the cost is to be seen of much being there. */
  readonly scale: "quick" | "usual" | "full";
  readonly rounds: number;
  /** How long a run should take, in ms. */
  readonly slotMs: number;
  /** How long each contestant runs before anything counts, at least. */
  readonly warmUpMs: number;
}

export interface Spread {
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/** One contestant against ours. */
export interface Row {
  readonly title: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: Metric["better"];
  readonly limit?: number;
  readonly ours: { readonly name: string; readonly figure: Spread };
  readonly other?: { readonly name: string; readonly figure: Spread };
  /** How many times as good as the other: of each round the quotient of its two neighbouring runs. Above 1 we are ahead. */
  readonly ratio?: Spread & { readonly rounds: readonly number[] };
  /**
   * Of the time on a processor that this process took for an operation: theirs by ours, so above 1 we take less. It says nothing of
   * servers and disks, and hardly depends on what else the machine does.
   */
  readonly cpu?: Spread;
  readonly goal?: number;
}
