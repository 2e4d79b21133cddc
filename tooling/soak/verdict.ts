import { type Sample, SHARED_SIGNAL } from "./sample.ts";

export interface Samples {
  /** Of a quiet store after the warm-up. */
  readonly start: Sample;
  /** One each minute, with the load paused. */
  readonly minutes: readonly Sample[];
  /** Of a quiet store. */
  readonly end: Sample;
}

export type MemoryKind = keyof Sample["memory"];

export interface Growth {
  readonly first: number;
  readonly last: number;
  /** How much more the last may be. */
  readonly noise: number;
}

/** Fewer samples say nothing about a slope. */
const FEWEST_SAMPLES = 12;

/** What a heap may grow by although nothing leaks: code that became hot, caches of the engine. */
const LEAST_NOISE: Readonly<Record<MemoryKind, number>> = {
  heapUsed: 1 << 20,
  rss: 16 << 20,
  external: 1 << 20,
  arrayBuffers: 1 << 20,
};

/**
 * The medians of the first and the last quarter of the samples. `undefined` if there are too few.
 * Noise is what the first quarter itself spans.
 */
export function growthOf(minutes: readonly Sample[], kind: MemoryKind): Growth | undefined {
  if (minutes.length < FEWEST_SAMPLES) return undefined;
  const values = minutes.map(({ memory }) => memory[kind]);
  const quarter = Math.floor(values.length / 4);
  const first = values.slice(0, quarter);
  const span = Math.max(...first) - Math.min(...first);
  return { first: median(first), last: median(values.slice(-quarter)), noise: Math.max(LEAST_NOISE[kind], span) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2;
}

/** The counts that are larger at the end than at the start. */
export function leftOver(start: Sample, end: Sample): string[] {
  return Object.entries(end.held)
    .filter(([name, count]) => count > (start.held[name] ?? 0) + tolerance(name))
    .map(([name, count]) => `${name}: ${start.held[name] ?? 0} at the start, ${count} at the end`);
}

/** Objects of the engine and of libraries come and go. Everything else is exact. */
function tolerance(name: string): number {
  return name.startsWith("objects ") ? 50 : 0;
}

/** Everything that is wrong, as sentences. */
export function faultsFound({ start, minutes, end }: Samples, lost: readonly string[]): string[] {
  const found = lost.map((text) => `lost: ${text}`);
  found.push(...leftOver(start, end));
  // Every wait that the signal could end is over.
  const listeners = end.held[SHARED_SIGNAL] ?? 0;
  if (listeners > 0) found.push(`${SHARED_SIGNAL}: ${listeners}`);
  if (end.tasks.active > 0) found.push(`${end.tasks.active} tasks are still active`);
  if (end.tasks.undelivered > 0) found.push(`${end.tasks.undelivered} events are not delivered`);
  for (const kind of Object.keys(LEAST_NOISE) as MemoryKind[]) {
    const growth = growthOf(minutes, kind);
    if (growth && growth.last - growth.first > growth.noise)
      found.push(`${kind} grew from ${mib(growth.first)} to ${mib(growth.last)} (noise ${mib(growth.noise)})`);
  }
  return found;
}

export function mib(bytes: number): string {
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
