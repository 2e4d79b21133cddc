import { loadSqlite, openSqlite } from "./open.ts";
import { withPostgres } from "./raw.ts";
import type { StoreSettings } from "./settings.ts";

/** The version of a store's tables, and the one that this program's packages know. */
export interface SchemaVersions {
  readonly found: number;
  readonly known: number;
}

/** The versions, 0 for no tables. Nothing for Redis, which has no tables. */
export async function schemaVersions(settings: StoreSettings): Promise<SchemaVersions | undefined> {
  const { address, schema, tablePrefix = "mcp_" } = settings;
  switch (address.kind) {
    case "Redis":
      return undefined;
    case "PostgreSQL": {
      const { SCHEMA_VERSION: known } = await import("@mcp-task-store/postgres");
      return withPostgres(address, async (client) => {
        const ledger = `${client.escapeIdentifier(schema ?? "mcp_tasks")}.task_store_migrations`;
        const { rows } = await client.query("SELECT to_regclass($1) IS NOT NULL AS exists", [ledger]);
        if (!rows[0]?.exists) return { found: 0, known };
        // An addition has a negative number.
        const versions = await client.query(`SELECT coalesce(max(abs(version)), 0)::int AS version FROM ${ledger}`);
        return { found: versions.rows[0].version, known };
      });
    }
    case "SQLite": {
      const { SCHEMA_VERSION: known } = await loadSqlite();
      const database = await openSqlite(address);
      try {
        const ledger = `${tablePrefix}migrations`;
        const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ?");
        if (!tables.get(ledger)) return { found: 0, known };
        const newest = database.prepare(`SELECT ifnull(max(abs(version)), 0) AS version FROM "${ledger}"`);
        return { found: (newest.get() as { version: number }).version, known };
      } finally {
        database.close();
      }
    }
  }
}
