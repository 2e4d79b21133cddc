// Harms the processes of a run, their connections and their server. The seed decides the order.
import { setTimeout as pause } from "node:timers/promises";
import type { TcpProxy } from "../databases/proxy.ts";
import { PATIENCE_MS, type Place } from "./places.ts";

/** What the nemesis can reach. */
export interface Reach {
  readonly place: Place;
  /** One for each process, with its server's connections. A store in a file has none. */
  readonly proxies: readonly TcpProxy[];
  /** Kills the process of a slot at once, and starts another one. */
  replace(slot: number): void;
  /** Stops the process of a slot for a time, as a host does that is out of breath. */
  freeze(slot: number, ms: number): Promise<void>;
  readonly slots: number;
}

type Random = () => number;

interface Act {
  readonly name: string;
  readonly weight: number;
  /** Whether it can be done here. */
  fits(reach: Reach): boolean;
  run(reach: Reach, random: Random): Promise<void> | void;
}

const hasServer = ({ place }: Reach) => place.control !== undefined;
const always = () => true;
const slotOf = ({ slots }: Reach, random: Random) => Math.floor(random() * slots);
const proxyOf = (reach: Reach, random: Random) => reach.proxies[slotOf(reach, random)] as TcpProxy;

/** How long a frozen process is frozen: longer than short leases. */
const FROZEN_MS = 250;

const ACTS: readonly Act[] = [
  { name: "killed clients", weight: 4, fits: always, run: (reach, random) => reach.replace(slotOf(reach, random)) },
  {
    name: "frozen clients",
    weight: 2,
    fits: always,
    run: (reach, random) => reach.freeze(slotOf(reach, random), FROZEN_MS),
  },
  { name: "cut connections", weight: 5, fits: hasServer, run: (reach, random) => proxyOf(reach, random).cut() },
  {
    name: "lost answers",
    weight: 5,
    fits: hasServer,
    run: (reach, random) => proxyOf(reach, random).harmNext("lose an answer"),
  },
  {
    name: "cut commands",
    weight: 4,
    fits: hasServer,
    run: (reach, random) => proxyOf(reach, random).harmNext("cut a command"),
  },
  {
    name: "half-closed connections",
    weight: 3,
    fits: hasServer,
    run: (reach, random) => proxyOf(reach, random).halfClose(),
  },
  {
    name: "slow connections",
    weight: 3,
    fits: hasServer,
    async run(reach, random) {
      const proxy = proxyOf(reach, random);
      proxy.slowDown({ delayMs: 2, bytes: 200 });
      await pause(150);
      proxy.slowDown(undefined);
    },
  },
  {
    name: "killed servers",
    weight: 2,
    fits: hasServer,
    async run({ place: { control } }) {
      await control?.halt("killed");
      await control?.start();
    },
  },
  {
    name: "restarted servers",
    weight: 1,
    fits: hasServer,
    async run({ place: { control } }) {
      await control?.halt("orderly");
      await control?.start();
    },
  },
  {
    name: "paused servers",
    weight: 2,
    fits: hasServer,
    async run({ place: { control } }) {
      await control?.pause();
      await pause(PATIENCE_MS + 200);
      await control?.resume();
    },
  },
  {
    name: "failovers",
    weight: 4,
    fits: ({ place }) => place.failOver !== undefined,
    // As a virtual address does that moves, or a proxy of the operator.
    run: async ({ place, proxies }) =>
      place.failOver?.((address) => {
        for (const proxy of proxies) {
          proxy.leadTo(address);
          proxy.cut();
        }
      }),
  },
  {
    name: "killed standbys",
    weight: 2,
    fits: ({ place }) => place.standby !== undefined,
    async run({ place: { standby } }) {
      await standby?.halt("killed");
      await pause(PATIENCE_MS + 200);
      await standby?.start();
    },
  },
];

/** Does one thing after another, and counts them by name. */
export class Nemesis {
  readonly done = new Map<string, number>();
  readonly #reach: Reach;
  readonly #random: Random;
  readonly #acts: readonly Act[];

  /** @param only The names of the acts that it may do. Default: all that fit. */
  constructor(reach: Reach, random: Random, only?: readonly string[]) {
    this.#reach = reach;
    this.#random = random;
    this.#acts = ACTS.filter((act) => act.fits(reach) && (only?.includes(act.name) ?? true));
  }

  async next(): Promise<void> {
    const sum = this.#acts.reduce((all, { weight }) => all + weight, 0);
    let at = this.#random() * sum;
    const act = this.#acts.find(({ weight }) => {
      at -= weight;
      return at < 0;
    }) as Act;
    this.done.set(act.name, (this.done.get(act.name) ?? 0) + 1);
    await act.run(this.#reach, this.#random);
  }
}
