// The suite without a test runner. `npm run conformance -- --only leases --bail` runs the cases
// whose ids begin with `leases`, up to the first one that fails.

import { parseArgs } from "node:util";
import { formatReport, runConformance } from "@mcp-task-store/core/conformance";
import { databaseUrl } from "./database.ts";
import { harness } from "./harness.ts";

const { values } = parseArgs({ options: { only: { type: "string", multiple: true }, bail: { type: "boolean" } } });
await databaseUrl();
const report = await runConformance(harness, { ...values, onCase: ({ id, status }) => console.log(`${status} ${id}`) });
console.log(`\n${formatReport(report)}`);
process.exitCode = report.failed > 0 ? 1 : 0;
