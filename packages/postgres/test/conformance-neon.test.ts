import { conformanceCases, defineConformance } from "@mcp-task-store/core/conformance";
import { afterAll, beforeAll, describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { startWebSocketProxy } from "./support/neon.ts";
import { poolHarness } from "./support/pool-harness.ts";

// Neon's serverless driver speaks PostgreSQL's protocol over WebSocket. Each connection takes long
// here. So the whole suite runs with TEST_NEON=1 alone (5 minutes), otherwise a part of it.

const PART = /^(task-object|states|payloads|messages|inputs|leases)\//;

const database = useDatabase();
let server: Awaited<ReturnType<typeof startWebSocketProxy>> | undefined;
const proxy = {
  get address() {
    return server?.address ?? "";
  },
};

beforeAll(async () => {
  server = await startWebSocketProxy();
});
afterAll(() => server?.end());

const harness = poolHarness("Neon", database, proxy);

if (process.env["TEST_NEON"] === "1") defineConformance({ describe, test }, harness);
else
  describe(`${harness.name}, a part of the suite`, () => {
    for (const { id, run } of conformanceCases.filter(({ id }) => PART.test(id))) test(id, () => run(harness));
  });
