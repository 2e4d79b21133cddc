import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { defineConformance, type Harness } from "@mcp-task-store/core/conformance";
import { PostgresTaskStore, pglitePool } from "@mcp-task-store/postgres";
import { afterAll, beforeAll, describe, test } from "vitest";
import { variantCases } from "../../../tooling/wide.ts";
import { newSchema } from "./support/sql.ts";

// PostgreSQL inside this process. No other process can open its folder at the same time.

let folder = "";
let database: PGlite;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pglite-"));
  database = await PGlite.create(join(folder, "data"));
}, 120_000);
afterAll(async () => {
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

const harness: Harness = {
  name: "PGlite",
  capabilities: { durable: true, multiProcess: false },
  async isolate() {
    const schema = newSchema();
    return {
      open: (options) => new PostgresTaskStore({ ...options, pool: pglitePool(database), schema }),
      destroy: async () =>
        void (await database.exec(`DROP SCHEMA IF EXISTS "${schema.replaceAll('"', '""')}" CASCADE`)),
    };
  },
};

defineConformance({ describe, test }, harness, { only: variantCases });
