import { Redis } from "ioredis";
import { createDatabase } from "../databases/fixtures.ts";
import { startOwnRedis, startPostgres } from "../databases/index.ts";
import type { Place } from "./harnesses.ts";

/** The server that mutants run on. */
export interface Server {
  readonly url: string;
  /** The database and its version. */
  readonly name: string;
  /** After a mutant. One that does not end may keep the server from answering the next. */
  recover(): Promise<void>;
  stop(): Promise<void>;
}

export async function serverFor(place: Place): Promise<Server> {
  const nothing = async () => undefined;
  if (place === "postgres") {
    const server = await startPostgres();
    const database = await createDatabase(server.url);
    const stop = async () => {
      await database.drop();
      await server.stop();
    };
    return { url: database.url, name: `PostgreSQL ${server.version}`, recover: nothing, stop };
  }
  if (place === "redis") {
    // Its own, since a script that does not end blocks the whole server.
    const server = await startOwnRedis();
    const recover = async () => {
      if (await answers(server.url)) return;
      await server.control.halt("killed");
      await server.control.start();
    };
    return { url: server.url, name: `Redis ${server.version}`, recover, stop: () => server.stop() };
  }
  return { url: "", name: place, recover: nothing, stop: nothing };
}

/** Whether the server answers. It refuses while a script runs for long. */
async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, commandTimeout: ANSWER_MS });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return (await redis.ping()) === "PONG";
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

const ANSWER_MS = 10_000;
