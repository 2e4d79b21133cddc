import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { postgresHarness } from "./support/harness.ts";
import { noPgBouncer, usePgBouncer } from "./support/pgbouncer.ts";

// Behind PgBouncer in transaction mode, with LISTEN on the database's own address.

const database = useDatabase();
const pooled = usePgBouncer(database);

defineConformance(
  { describe: describe.skipIf(noPgBouncer), test },
  postgresHarness("PostgreSQL behind PgBouncer", database, {}, pooled),
);
