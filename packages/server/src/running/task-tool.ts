import type { StandardSchemaV1, StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import type { TaskToolConfig, TaskToolHandler } from "../options.ts";
import type { Pace } from "./pace.ts";

// biome-ignore lint/suspicious/noExplicitAny: of any schema
export type AnyTaskToolConfig = TaskToolConfig<any, any, any>;
// biome-ignore lint/suspicious/noExplicitAny: of any schema
export type AnyTaskToolHandler = TaskToolHandler<any, any>;

/** A tool that may run as a task. */
export interface TaskTool {
  readonly name: string;
  readonly config: AnyTaskToolConfig;
  readonly pace: Pace;
}

/** The arguments as the handler gets them, or why they do not fit the schema. */
export async function readArguments(
  schema: StandardSchemaWithJSON | undefined,
  given: unknown,
): Promise<{ args: unknown } | { issue: string }> {
  if (!schema) return { args: given };
  const outcome = await schema["~standard"].validate(given ?? {});
  return outcome.issues ? { issue: outcome.issues.map(textOf).join(", ") } : { args: outcome.value };
}

/** As `McpServer` says it. */
function textOf({ path = [], message }: StandardSchemaV1.Issue): string {
  const place = path.map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return place === "" ? message : `${place}: ${message}`;
}
