import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { SoakOptions } from "./options.ts";
import { type Outcome, pageOf } from "./page.ts";
import type { Sample } from "./sample.ts";
import { Scene } from "./scene.ts";
import { faultsFound, leftOver, mib, type Samples } from "./verdict.ts";

const MINUTE_MS = 60_000;
/** How long the maximum is measured. */
const MEASURE_MS = 4000;
/** How long connections of a quiet pool may take to close. */
const SETTLE_MS = 60_000;
/** Longer than pools keep idle connections (pg 10 s). */
const IDLE_MS = 12_000;

/** @throws Error if something was lost or grew */
export async function runSoak(options: SoakOptions, interrupted: AbortSignal): Promise<void> {
  await using cleanUp = new AsyncDisposableStack();
  const scenes: Scene[] = [];
  for (const store of options.stores) scenes.push(cleanUp.use(await Scene.start(store)));
  const rates: { rate: number; maximum: number }[] = [];
  // One after the other, so that each has the machine for itself.
  for (const scene of scenes) rates.push(await rateOf(scene, options, interrupted));
  const ends = await Promise.allSettled(
    scenes.map(async (scene, index): Promise<Outcome> => {
      const rate = rates[index] as (typeof rates)[number];
      const before = { cpu: await scene.cpuMs(), at: performance.now() };
      const samples = await soak(scene, rate.rate, options, interrupted).catch((error: Error) => {
        // The other stores go on.
        console.error(`${scene.store}: the soak itself failed`, error);
        throw error;
      });
      const cpu = ((await scene.cpuMs()) - before.cpu) / (performance.now() - before.at);
      const { store, host, tally } = scene;
      return { store, title: host.title, ...rate, cpu, samples, tally, found: faultsFound(samples, tally.lost) };
    }),
  );
  interrupted.throwIfAborted();
  const outcomes = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  if (options.out !== undefined) await writeFile(options.out, pageOf(outcomes, options));
  for (const { store, found } of outcomes) console.log(`${store}: ${found.length === 0 ? "clean" : found.join("; ")}`);
  if (outcomes.length < scenes.length) throw new Error("The soak itself failed");
  if (outcomes.some(({ found }) => found.length > 0)) throw new Error("The soak found faults");
}

/** This store's share of half the load, or what the options say. */
async function rateOf(scene: Scene, options: SoakOptions, signal: AbortSignal) {
  const start = performance.now();
  await scene.load(undefined, Math.min(MEASURE_MS, options.minutes * MINUTE_MS), signal);
  const maximum = (scene.lives * 1000) / (performance.now() - start);
  await scene.quietSample();
  const rate = options.rate ?? Math.max(0.5, maximum / 2 / options.stores.length);
  console.log(`${scene.store}: at most ${maximum.toFixed(0)} tasks/s, the load is ${rate.toFixed(1)} tasks/s`);
  return { rate, maximum };
}

/** Takes `minutes` in all, of which the first sixth is the warm-up. */
async function soak(scene: Scene, rate: number, options: SoakOptions, signal: AbortSignal): Promise<Samples> {
  const begun = performance.now();
  const whole = options.minutes * MINUTE_MS;
  const turnMs = Math.min(MINUTE_MS, whole / 2);
  const turn = () => under(scene, rate, turnMs, options, signal);
  const isBefore = (share: number) => performance.now() - begun + turnMs / 2 < share * whole && !signal.aborted;
  // The start of the comparison has seen each fault.
  await turn();
  for (let fault = 0; fault < scene.kindsOfFaults; fault += 1) await scene.harm();
  while (isBefore(1 / 6)) await turn();
  const start = await settled(scene, await scene.quietSample(), options);
  const minutes: Sample[] = [];
  do {
    await turn();
    const sample = await scene.quietSample();
    minutes.push(sample);
    report(scene, minutes.length, sample);
  } while (isBefore(1));
  return { start, minutes, end: await settled(scene, start, options) };
}

/** The load and its faults for a minute, with time left for the look after it. */
async function under(scene: Scene, rate: number, ms: number, options: SoakOptions, signal: AbortSignal): Promise<void> {
  const harming = (async () => {
    const faults = Math.floor(ms / (1000 * options.faultSeconds));
    for (let fault = 0; fault < faults && !signal.aborted; fault += 1) {
      await sleep((1000 * options.faultSeconds) / 2);
      await scene.harm();
      await sleep((1000 * options.faultSeconds) / 2);
    }
  })();
  await Promise.all([scene.load(rate, ms, signal), harming]);
}

/**
 * A sample in which nothing is held beyond `before`. Pools close idle connections after some time,
 * so the look is repeated for a while.
 */
async function settled(scene: Scene, before: Sample, { minutes }: SoakOptions): Promise<Sample> {
  const deadline = Date.now() + SETTLE_MS;
  // The first sample of a long soak waits for what closes when it is idle.
  if (minutes >= 10) await sleep(SETTLE_MS / 3);
  for (;;) {
    const sample = await scene.quietSample();
    if (leftOver(before, sample).length === 0 || Date.now() > deadline) return sample;
    await sleep(IDLE_MS);
  }
}

function report({ store, tally }: Scene, minute: number, { memory, held, tasks, counted }: Sample): void {
  const lives = Object.values(tally.ended).reduce((sum, count) => sum + count, 0);
  const counts = Object.entries(held).map(([name, count]) => `${name} ${count}`);
  const line = [
    `${new Date().toISOString()} ${store} ${minute}: heap ${mib(memory.heapUsed)}, rss ${mib(memory.rss)}`,
    `external ${mib(memory.external)}, ${lives} lives, ${tally.refused} refused, ${tally.skipped} skipped`,
    `${tally.lost.length} lost, active ${tasks.active}, kept ${tasks.kept}, undelivered ${tasks.undelivered}`,
    `errors ${counted.errors}, delivered ${counted.delivered}`,
    ...counts,
  ];
  console.log(line.join(", "));
}
