import { conformanceCases, defineConformance } from "@mcp-task-store/core/conformance";
import { describe, test } from "vitest";
import { offloaded } from "../../../tooling/offloaded.ts";
import { variantCases } from "../../../tooling/wide.ts";
import { harnessOf } from "./support/harness.ts";

// A request on its way to the folder holds up no other creation, so this order is not kept.
const LEFT_OUT = "lists/order-of-calls";

const only = conformanceCases
  .map(({ id }) => id)
  .filter((id) => id !== LEFT_OUT && (variantCases ?? [""]).some((beginning) => id.startsWith(beginning)));

defineConformance({ describe, test }, offloaded(harnessOf("better-sqlite3")), { only });
