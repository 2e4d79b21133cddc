import { existsSync } from "node:fs";
import { DRY_RUN } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { count } from "../output/text.ts";
import { loadSqlite, openSqlite } from "../stores/open.ts";
import type { StoreSettings } from "../stores/settings.ts";
import { type SchemaVersions, schemaVersions } from "../stores/versions.ts";

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: true,
  options: DRY_RUN,
  details:
    "Makes the tables of a store, or brings them up to date, all or nothing. Servers do so when they open a store, unless their option migrate is false. Redis needs no tables.",
  async run({ values, output, settings }) {
    const dryRun = values["dry-run"] ?? false;
    const versions = await versionsOf(settings);
    const applied = dryRun || !versions ? 0 : await migrate(settings);
    const { found = null, known = null } = versions ?? {};
    const missing = Math.max(0, (known ?? 0) - (found ?? 0));
    if (output.json) output.document({ dryRun, found, known, applied });
    else if (!versions) output.line("a store in Redis needs no migration");
    else if (dryRun)
      output.line(`the tables are at version ${found} of ${known}: would apply ${count(missing, "migration")}`);
    else output.line(`applied ${count(applied, "migration")}: the tables are at version ${known}`);
    return EXIT.ok;
  },
});

async function versionsOf(settings: StoreSettings): Promise<SchemaVersions | undefined> {
  const { address } = settings;
  // The file is made only if the migration is not a dry run.
  if (address.kind === "SQLite" && !existsSync(address.path))
    return { found: 0, known: (await loadSqlite()).SCHEMA_VERSION };
  return schemaVersions(settings);
}

/** @returns how many migrations were applied */
async function migrate({ address, schema, tablePrefix }: StoreSettings): Promise<number> {
  switch (address.kind) {
    case "Redis":
      return 0;
    case "PostgreSQL": {
      const [{ migrate: run }, { default: pg }] = await Promise.all([import("@mcp-task-store/postgres"), import("pg")]);
      const pool = new pg.Pool({ connectionString: address.url, max: 2 });
      pool.on("error", () => undefined);
      try {
        return await run(pool, { schema });
      } finally {
        await pool.end();
      }
    }
    case "SQLite": {
      const [{ migrate: run }, database] = await Promise.all([loadSqlite(), openSqlite(address, true)]);
      try {
        const applied = run(database, { tablePrefix });
        // As a store does when it opens the file.
        database.exec("PRAGMA journal_mode = WAL");
        return applied;
      } finally {
        database.close();
      }
    }
  }
}
