import type { RegisteredTool } from "@modelcontextprotocol/server";
import type { WithoutTasks } from "../options.ts";
import type { AnyTaskToolConfig } from "../running/task-tool.ts";
import { declareTaskSupport } from "../sdk-seams.ts";

/** The fields of a tool for `McpServer.registerTool`. */
export function listingOf(config: AnyTaskToolConfig, withoutTasks: WithoutTasks | undefined): object {
  const { title, description, inputSchema, annotations, icons, scopeChallenge, _meta } = config;
  // An answer that names a task does not fit the schema, and clients would refuse it.
  const outputSchema = withoutTasks === "tools" ? undefined : config.outputSchema;
  const given = { title, description, inputSchema, outputSchema, annotations, icons, scopeChallenge, _meta };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Lists which calls of the tool become tasks, for clients of 2025-11-25. */
export function declareSupport(
  registered: RegisteredTool,
  { task }: AnyTaskToolConfig,
  withoutTasks: WithoutTasks | undefined,
): void {
  if (task === "never") return;
  // A client of SDK 1.x refuses to call a tool that requires a task, if it knows no tasks.
  const required = task === "required" && (withoutTasks ?? "refuse") === "refuse";
  declareTaskSupport(registered, required ? "required" : "optional");
}
