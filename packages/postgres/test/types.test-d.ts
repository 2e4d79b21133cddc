import type { Task } from "@mcp-task-store/core";
import type { PostgresTaskStore } from "@mcp-task-store/postgres";
import type { SQL } from "drizzle-orm";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import type { CompiledQuery, Transaction } from "kysely";
import type pg from "pg";

// Checked by the compiler, never run.

/** Compiles if the value is assignable to `Expected`. */
declare function expectType<Expected>(value: Expected): void;

declare const store: PostgresTaskStore;
declare const client: pg.Client;
declare const ofPool: pg.PoolClient;

// The clients of pg are clients of a transaction.
expectType<Promise<Task>>(store.in(client).createTask({ name: "ship", arguments: { order: 7 }, owner: "alice" }));
store.in(ofPool);
// @ts-expect-error The database of another library needs an adapter.
store.in({} as NodePgDatabase);
// @ts-expect-error Nothing but createTask is part of a transaction.
store.in(client).cancelTask("id");

// The transactions of drizzle and Kysely fit the parameters of the adapters in the README.
declare const db: NodePgDatabase;
void db.transaction(async (tx) => expectType<{ execute(query: SQL): PromiseLike<{ rows: unknown[] }> }>(tx));
declare const trx: Transaction<{ orders: { id: number } }>;
expectType<{ executeQuery(query: CompiledQuery): Promise<{ rows: unknown[] }> }>(trx);
