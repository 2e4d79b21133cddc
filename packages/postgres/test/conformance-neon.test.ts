import { defineConformance } from "@mcp-task-store/core/conformance";
import { afterAll, beforeAll, describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { fewCases } from "../../../tooling/wide.ts";
import { startWebSocketProxy } from "./support/neon.ts";
import { poolHarness } from "./support/pool-harness.ts";

// Neon's serverless driver speaks PostgreSQL's protocol over WebSocket.

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

defineConformance({ describe, test }, poolHarness("Neon", database, proxy), { only: fewCases });
