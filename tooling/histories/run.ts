// One run: processes work on tasks of one store while the nemesis harms them, and every history is
// checked afterwards.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TcpProxy } from "../databases/proxy.ts";
import { randomOf } from "../faults/random.ts";
import { operationsOf } from "./history.ts";
import { type Findings, judge } from "./judge.ts";
import { offsetsIn } from "./moved-clock.ts";
import { Nemesis } from "./nemesis.ts";
import type { Operation } from "./operation.ts";
import { jumpsOf, type Place, type StoreName, startPlace } from "./places.ts";
import type { PlantName } from "./plants.ts";
import type { Order, Report, WorkerTask } from "./worker.ts";

export interface RunOptions {
  readonly store: StoreName;
  readonly seed: number;
  /** Calls in all. */
  readonly operations: number;
  /** Whether there are faults, or the names of those that there are. @default true */
  readonly nemesis?: boolean | readonly string[];
  readonly plant?: PlantName;
  /** A folder for the lines that the processes write. They are deleted without one. */
  readonly keep?: string;
  /** Ends the run. */
  readonly interrupted?: AbortSignal;
  /** Starts another database than the usual one of the store. */
  readonly start?: () => Promise<Place>;
}

export interface RunOutcome extends Findings {
  readonly description: string;
  readonly acts: ReadonlyMap<string, number>;
  readonly processes: number;
  readonly ranMs: number;
  readonly checkedMs: number;
}

const PROCESSES = 3;
const LANES = 8;
/** Calls after which there are new tasks. */
const CALLS_OF_WORLD = 500;
/** Calls between two acts of the nemesis. */
const CALLS_OF_ACT = 500;

const program = fileURLToPath(new URL("worker.ts", import.meta.url));

export async function run(options: RunOptions): Promise<RunOutcome> {
  const { store } = options;
  const place = await (options.start ?? (() => startPlace(store)))();
  const folder = options.keep ?? mkdtempSync(join(tmpdir(), "mcp-task-store-history-"));
  mkdirSync(folder, { recursive: true });
  const crew = new Crew(options, place, folder);
  const began = performance.now();
  options.interrupted?.addEventListener("abort", () => crew.fail(options.interrupted?.reason));
  try {
    await crew.start();
    await crew.work();
    await crew.end();
    const ran = performance.now();
    const operations = crew.operations();
    const findings = judge(operations);
    return {
      ...findings,
      description: place.description,
      acts: crew.acts,
      processes: crew.started,
      ranMs: ran - began,
      checkedMs: performance.now() - ran,
    };
  } finally {
    await crew.abandon();
    await place.stop();
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** The processes of a run. */
class Crew {
  readonly #options: RunOptions;
  readonly #place: Place;
  readonly #folder: string;
  readonly #origin = process.hrtime.bigint();
  readonly #slots: ChildProcess[] = [];
  readonly #proxies: TcpProxy[] = [];
  readonly #random: () => number;
  #nemesis: Nemesis | undefined;
  #calls = 0;
  #failure: unknown;
  #ending = false;
  #wake: () => void = () => undefined;
  started = 0;

  constructor(options: RunOptions, place: Place, folder: string) {
    this.#options = options;
    this.#place = place;
    this.#folder = folder;
    this.#random = randomOf(options.seed);
  }

  get acts(): ReadonlyMap<string, number> {
    return this.#nemesis?.done ?? new Map();
  }

  async start(): Promise<void> {
    for (let slot = 0; slot < PROCESSES; slot += 1) {
      if (this.#place.control) this.#proxies.push(await TcpProxy.start(this.#place.address));
      this.#fork(slot);
    }
  }

  /** Until all calls are made. The nemesis counts calls, so slow machines have as many acts. */
  async work(): Promise<void> {
    const { operations, nemesis = true } = this.#options;
    const reach = {
      place: this.#place,
      proxies: this.#proxies,
      slots: PROCESSES,
      replace: (slot: number) => {
        const old = this.#slots[slot] as ChildProcess;
        this.#fork(slot);
        old.kill("SIGKILL");
      },
      freeze: async (slot: number, ms: number) => {
        const frozen = this.#slots[slot] as ChildProcess;
        frozen.kill("SIGSTOP");
        await pause(ms);
        frozen.kill("SIGCONT");
      },
    };
    this.#nemesis = new Nemesis(reach, this.#random, typeof nemesis === "boolean" ? undefined : nemesis);
    for (let acts = 1; this.#calls < operations; ) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      if (this.#failure) throw this.#failure;
      if (!nemesis || this.#calls < acts * CALLS_OF_ACT) continue;
      acts += 1;
      await this.#nemesis.next();
    }
  }

  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.#wake();
  }

  /** Lets each process finish its calls and read what is left. */
  async end(): Promise<void> {
    this.#ending = true;
    for (const proxy of this.#proxies) proxy.harmNext(undefined);
    const ends = this.#slots.map((child) => (child.exitCode === null ? once(child, "exit") : [child.exitCode]));
    this.#tell({ stop: true });
    await Promise.all(ends);
    if (this.#failure) throw this.#failure;
  }

  async abandon(): Promise<void> {
    this.#ending = true;
    for (const child of this.#slots) child.kill("SIGKILL");
    for (const proxy of this.#proxies) await proxy.begin();
  }

  operations(): Operation[] {
    const { store, seed } = this.#options;
    const found: Operation[] = [];
    for (let number = 0; number < this.started; number += 1) {
      const file = this.#file(number);
      if (!existsSync(file)) continue;
      const jumps = store === "sqlite" ? jumpsOf(store, seed, number) : { seed, offsets: [0] };
      const lines = readFileSync(file, "utf8").split("\n");
      for (const operation of operationsOf(number, lines, (from, to) => offsetsIn(jumps, from, to)))
        found.push(operation);
    }
    return found;
  }

  get #world(): number {
    return Math.floor(this.#calls / CALLS_OF_WORLD);
  }

  #fork(slot: number): void {
    const { store, seed, plant } = this.#options;
    const number = this.started++;
    const task: WorkerTask = {
      store,
      address: this.#proxies[slot]?.url ?? this.#place.address,
      seed,
      process: number,
      lanes: LANES,
      file: this.#file(number),
      origin: String(this.#origin),
      world: this.#world,
      plant,
    };
    const child = fork(program, [JSON.stringify(task)], { execArgv: [] });
    this.#slots[slot] = child;
    child.on("message", ({ calls }: Report) => {
      const before = this.#world;
      this.#calls += calls;
      if (this.#world !== before) this.#tell({ world: this.#world });
      this.#wake();
    });
    child.on("exit", (code, signal) => {
      if (signal === "SIGKILL" || (this.#ending && code === 0)) return;
      this.fail(new Error(`A process of the run ended with ${signal ?? code}`));
    });
  }

  #tell(order: Order): void {
    // A process that has just ended needs no order.
    for (const child of this.#slots) if (child.connected) child.send(order, () => undefined);
  }

  #file(number: number): string {
    return join(this.#folder, `${number}.ndjson`);
  }
}
