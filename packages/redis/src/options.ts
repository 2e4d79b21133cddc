import { TaskStoreError } from "@mcp-task-store/core";
import type { RedisClient } from "./driver.ts";

/** Where the tasks are, and how they are reached. Give either `url` or `client`. */
export interface RedisOptions {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. */
  url?: string | undefined;
  /**
   * A `Redis` or `Cluster` of ioredis, with whatever options. The store makes its own connections by `client.duplicate()`, because
   * it needs some options of its own; it neither uses nor closes the client itself.
   */
  client?: RedisClient | undefined;
  /**
   * First part of every key and of the channel, in braces. Stores with the same prefix share their tasks. In a cluster, all tasks
   * of a store are in one slot, and stores of different prefixes mostly on different nodes. Default `mcp`.
   */
  prefix?: string | undefined;
  /**
   * Longest time in milliseconds that a call takes, reconnecting included, after which it rejects with `BACKEND_UNAVAILABLE`.
   * Default 5,000.
   */
  commandTimeoutMs?: number | undefined;
  /** Told when the server may evict tasks. Default: a process warning. */
  onError?: ((error: TaskStoreError) => void) | undefined;
}

/** The options with every default in place. */
export interface RedisSettings {
  readonly url: string | undefined;
  readonly client: RedisClient | undefined;
  readonly prefix: string;
  readonly commandTimeoutMs: number;
  readonly onError: (error: TaskStoreError) => void;
}

/** @throws TaskStoreError `INVALID_ARGUMENT` for an option that cannot be right */
export function redisSettings(options: RedisOptions): RedisSettings {
  const { url, client, prefix = "mcp", commandTimeoutMs = 5000 } = options;
  if ((url === undefined) === (client === undefined)) throw invalid("Give either url or client");
  if (url !== undefined && !/^rediss?:\/\//.test(url)) throw invalid("url must begin with redis:// or rediss://");
  if (client !== undefined && typeof client.duplicate !== "function")
    throw invalid("client must be a Redis or Cluster of ioredis");
  if (typeof prefix !== "string" || !/^[^{}\0]{1,128}$/.test(prefix))
    throw invalid("prefix must be a string of 1 to 128 characters without braces");
  if (!Number.isInteger(commandTimeoutMs) || commandTimeoutMs < 1 || commandTimeoutMs >= 2 ** 31)
    throw invalid("commandTimeoutMs must be a whole number from 1 to 2147483647");
  const onError = options.onError ?? ((error: TaskStoreError) => process.emitWarning(error));
  return Object.freeze({ url, client, prefix, commandTimeoutMs, onError });
}

function invalid(message: string): TaskStoreError {
  return new TaskStoreError("INVALID_ARGUMENT", message);
}
