import type { StandardSchemaWithJSON } from "@modelcontextprotocol/server";

/** A property of the arguments of a fallback tool. */
interface Property {
  type: "string" | "number" | "object";
  description: string;
  enum?: readonly string[];
  minimum?: number;
}

const TASK_ID: Property = {
  type: "string",
  description: "The taskId of the task, exactly as a tool returned it.",
};

/** The arguments of the fallback tools, by tool. */
export function inputSchemas(maxWaitMs: number) {
  const waitMs = (description: string): Property => ({ type: "number", minimum: 0, description });
  return {
    status: argumentsOf<{ taskId: string; waitMs?: number }>(
      {
        taskId: TASK_ID,
        waitMs: waitMs(
          `Milliseconds to wait for a change before answering, at most ${maxWaitMs}. Default: 0, which answers at once.`,
        ),
      },
      ["taskId"],
    ),
    result: argumentsOf<{ taskId: string; waitMs?: number }>(
      {
        taskId: TASK_ID,
        waitMs: waitMs(`Milliseconds to wait for the result, at most ${maxWaitMs}, which is also the default.`),
      },
      ["taskId"],
    ),
    cancel: argumentsOf<{ taskId: string }>({ taskId: TASK_ID }, ["taskId"]),
    answer: argumentsOf<{ taskId: string; key?: string; action?: string; content?: Record<string, unknown> }>(
      {
        taskId: TASK_ID,
        key: {
          type: "string",
          description: "The key of the question. It can be left out if the task asks only one question.",
        },
        action: {
          type: "string",
          enum: ["accept", "decline", "cancel"],
          description:
            "What the user did: accept (answered), decline (refused to answer) or cancel (did not decide). Default: accept.",
        },
        content: {
          type: "object",
          description: "The answer of a user who accepts: an object that fits the requestedSchema of the question.",
        },
      },
      ["taskId"],
    ),
  };
}

/** The structured content of the fallback tools that show the state of a task. */
export const STATE_SCHEMA = schemaOf<Record<string, unknown>>(
  {
    type: "object",
    properties: {
      taskId: { type: "string" },
      status: { type: "string", enum: ["working", "input_required", "completed", "failed", "cancelled"] },
      statusMessage: { type: "string", description: "How far the work is." },
      createdAt: { type: "string" },
      lastUpdatedAt: { type: "string" },
      ttlMs: { type: ["number", "null"], description: "Milliseconds for which the task is kept; null: for ever." },
      pollIntervalMs: { type: "number", description: "Milliseconds to leave between two calls without waitMs." },
      questions: {
        type: "array",
        items: { type: "object", properties: { key: { type: "string" } }, required: ["key"] },
        description: "The open questions of a task that is input_required.",
      },
      error: { type: "object", description: "Why the task failed." },
      next: {
        type: "object",
        properties: { tool: { type: "string" }, arguments: { type: "object" } },
        required: ["tool", "arguments"],
        description: "The call to make next.",
      },
    },
    required: ["taskId", "status"],
  },
  // The values are the extension's own.
  () => undefined,
);

function argumentsOf<Arguments>(
  properties: Record<string, Property>,
  required: readonly string[],
): StandardSchemaWithJSON<Arguments> {
  const json = { type: "object", properties, required, additionalProperties: false };
  return schemaOf(json, (given) => {
    for (const name of required) if (given[name] === undefined) return `${name} is missing`;
    for (const [name, value] of Object.entries(given)) {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (!property) return `there is no argument ${name.slice(0, 64)}, only ${Object.keys(properties).join(", ")}`;
      if (value !== undefined && !fits(property, value)) return `${name} must be ${nameOf(property)}`;
    }
    return undefined;
  });
}

function fits({ type, minimum = Number.NEGATIVE_INFINITY, enum: values }: Property, value: unknown): boolean {
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "number") return typeof value === "number" && value >= minimum;
  return typeof value === "string" && (values?.includes(value) ?? true);
}

function nameOf({ type, enum: values, minimum }: Property): string {
  if (values) return `one of ${values.join(", ")}`;
  if (minimum !== undefined) return `a number from ${minimum}`;
  return type === "object" ? "an object" : `a ${type}`;
}

/** A schema without a schema library. */
function schemaOf<Value>(
  json: Record<string, unknown>,
  issueIn: (given: Record<string, unknown>) => string | undefined,
): StandardSchemaWithJSON<Value> {
  const validate = (given: unknown) => {
    const message = issueIn((given ?? {}) as Record<string, unknown>);
    return message === undefined ? { value: (given ?? {}) as Value } : { issues: [{ message }] };
  };
  const show = () => json;
  return {
    "~standard": { version: 1, vendor: "mcp-task-store", validate, jsonSchema: { input: show, output: show } },
  };
}
