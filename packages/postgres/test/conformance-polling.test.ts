import { defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { variantCases } from "../../../tooling/wide.ts";
import { postgresHarness } from "./support/harness.ts";
import { noPgBouncer, usePgBouncer } from "./support/pgbouncer.ts";

// As a store is behind a pooler: without LISTEN. Where PgBouncer is installed, it is the pooler.

const database = useDatabase();
const pooled = noPgBouncer ? undefined : usePgBouncer(database);
const name = pooled ? "PostgreSQL behind PgBouncer, without LISTEN," : "PostgreSQL without LISTEN";
const variant = { listen: false, changePollMs: 20, listenConnectionString: undefined } as const;

defineConformance({ describe, test }, postgresHarness(name, database, variant, pooled), { only: variantCases });
