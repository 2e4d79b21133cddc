// Servers with a standby that takes over in the middle of a history.
import { startPostgresPair } from "../databases/postgres-pair.ts";
import { startRedisPair } from "../databases/redis-pair.ts";
import type { ServerControl } from "../databases/server.ts";
import type { Place, StoreName } from "./places.ts";

/** Stores whose server may have a standby. */
export const PAIRED = ["postgres", "redis"] as const satisfies readonly StoreName[];
export type PairedName = (typeof PAIRED)[number];

export const isPaired = (name: StoreName): name is PairedName => PAIRED.some((each) => each === name);

/**
 * Starts a pair whose failovers lose no acknowledged write. PostgreSQL's primary is killed. Redis
 * would lose what had not reached the replica by then, so its primary hands over instead.
 * @throws WayUnavailable without binaries
 */
export async function startPair(name: PairedName): Promise<Place> {
  if (name === "redis") {
    const pair = await startRedisPair();
    return {
      address: pair.primary.url,
      description: `Redis ${pair.version} with a replica`,
      control: controlOf(() => pair.primary.control, pair.inStep),
      failOver: pair.failOver,
      stop: pair.stop,
    };
  }
  // Writes that wait for a standby keep their sessions, and their callers open more.
  const pair = await startPostgresPair({ synchronous: true, settings: { max_connections: "300" } });
  return {
    address: pair.primary.url,
    description: `PostgreSQL ${pair.version} with a synchronous standby`,
    control: controlOf(() => pair.primary.control, pair.inStep),
    standby: controlOf(() => pair.standby.control, pair.inStep),
    failOver: pair.failOver,
    stop: pair.stop,
  };
}

/**
 * The server that has a role at the moment. After a start it waits for the other one: a primary
 * that was killed shows commits that its standby does not have yet, and another fault could lose
 * what was seen.
 */
function controlOf(server: () => ServerControl, inStep: () => Promise<void>): ServerControl {
  return {
    pause: () => server().pause(),
    resume: () => server().resume(),
    halt: (how) => server().halt(how),
    start: async () => {
      await server().start();
      await inStep();
    },
  };
}
