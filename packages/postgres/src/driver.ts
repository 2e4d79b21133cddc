import type { Capabilities } from "@mcp-task-store/core";

/** The part of a connection of a `pg` pool that the store uses. */
export interface PgClient {
  query(query: PgQuery): Promise<{ rows: unknown[]; command?: string | undefined }>;
  release(destroy?: boolean): void;
  on(event: "error" | "end", listener: () => void): unknown;
  on(event: "notification", listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  removeListener(event: "error" | "end", listener: () => void): unknown;
  unref?(): void;
  /**
   * `I`: no transaction is open. `T`: one is. `E`: one is, and has failed. If a driver lacks this
   * method, the store asks the server.
   */
  getTransactionStatus?(): string | null;
}

/** The part of a `pg` pool that the store uses. Pass your own as the `pool` option. */
export interface PgPool {
  connect(): Promise<PgClient>;
  on?(event: "connect", listener: (client: PgClient) => void): unknown;
  readonly options?: { readonly max?: number | undefined } | undefined;
  /**
   * What a store over this pool promises, if it is less than a PostgreSQL server can: see
   * `pglitePool`.
   */
  readonly capabilities?: Capabilities | undefined;
}

/**
 * A client on which the application has a transaction open: one of pg, or an adapter of a line for
 * the transaction of another library. The `Client` and `PoolClient` of pg fit.
 */
export interface TransactionClient {
  /** Runs one statement with the values of `$1`, `$2` and so on. */
  query(text: string, values: (string | number | null)[]): Promise<{ readonly rows: readonly unknown[] }>;
}

export interface PgQuery {
  text: string;
  name?: string;
  values?: unknown[];
  types?: { getTypeParser(oid: number, format?: string): (value: string) => unknown };
}
