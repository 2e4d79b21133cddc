import { type RedisClient, RedisTaskStore, type RedisTaskStoreOptions } from "@mcp-task-store/redis";
import { type ClientName, clientOf, type Server } from "./clients.ts";

/** The place of a store's tasks, and how to reach it, as JSON. */
export interface Address extends Server {
  /** A client to give to the store, or the URL alone. */
  readonly by: ClientName | "url";
  readonly keyPrefix: string;
}

/** Opens a store in another process. */
export async function open(address: Address, options?: Partial<RedisTaskStoreOptions>): Promise<RedisTaskStore> {
  return openWith(address, await clientAt(address), options);
}

export async function clientAt(address: Address): Promise<RedisClient | undefined> {
  return address.by === "url" ? undefined : clientOf(address.by, address);
}

export function openWith(
  { url, keyPrefix }: Address,
  client: RedisClient | undefined,
  options: Partial<RedisTaskStoreOptions> = {},
): RedisTaskStore {
  return new RedisTaskStore({ ...(client ? { client } : { url }), keyPrefix, ...options });
}
