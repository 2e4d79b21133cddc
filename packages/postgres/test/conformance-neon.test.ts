import { defineConformance } from "@mcp-task-store/core/conformance";
import { afterAll, beforeAll, describe, test } from "vitest";
import { useDatabase } from "../../../tooling/databases/fixtures.ts";
import { startWebSocketProxy } from "./support/neon.ts";
import { poolHarness } from "./support/pool-harness.ts";

// Neon's serverless driver, which speaks PostgreSQL's protocol over WebSocket.

const database = useDatabase();
const proxy = { address: "", end: async () => undefined as void };

beforeAll(async () => void Object.assign(proxy, await startWebSocketProxy()));
afterAll(() => proxy.end());

defineConformance({ describe, test }, poolHarness("Neon", database, proxy));
