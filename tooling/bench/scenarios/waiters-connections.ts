import { Redis } from "ioredis";
import pg from "pg";
import type { Address, Place } from "../places.ts";

/**
 * The number of connections of the waiting process, as the server counts them. 0 without a server.
 */
export type Count = () => Promise<number>;

const NAME = "bench-waiters";

/** The store's address for the waiting process, with a connection name of its own if possible. */
export function waitersAddress({ variant: _, ...address }: Place): Address {
  if (address.store !== "postgres") return address as Address;
  const url = new URL(address.url);
  url.searchParams.set("application_name", NAME);
  return { ...address, url: String(url) };
}

export async function connectionsOf(place: Place, cleanUp: AsyncDisposableStack): Promise<Count> {
  switch (place.store) {
    case "postgres": {
      const client = new pg.Client({ connectionString: place.url });
      client.on("error", () => undefined);
      await client.connect();
      cleanUp.defer(() => client.end());
      const text = "SELECT count(*)::integer AS count FROM pg_stat_activity WHERE application_name = $1";
      return async () => (await client.query({ name: "count", text, values: [NAME] })).rows[0].count as number;
    }
    case "redis": {
      const redis = new Redis(place.url);
      cleanUp.defer(() => redis.disconnect());
      const all = async () => ((await redis.client("LIST")) as string).trim().split("\n").length;
      // The other connections stay constant. The store of this process has one.
      const others = await all();
      return async () => (await all()) - others;
    }
    default:
      return async () => 0;
  }
}
