import { createDatabase } from "../databases/fixtures.ts";
import { startOwnRedis, startPostgres } from "../databases/index.ts";
import type { Place } from "./harnesses.ts";

/** The server that mutants run on. */
export interface Server {
  readonly url: string;
  /** The database and its version. */
  readonly name: string;
  /** After a mutant that did not end: its server may not answer others. */
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
      await server.control.halt("killed");
      await server.control.start();
    };
    return { url: server.url, name: `Redis ${server.version}`, recover, stop: () => server.stop() };
  }
  return { url: "", name: place, recover: nothing, stop: nothing };
}
