import type { Result } from "../contract/task.ts";

// The types of questions to users and models, after the schema of MCP 2025-11-25.

/** A question to the user. @see MCP 2025-11-25, schema `ElicitRequestParams` */
export interface ElicitParams {
  /** `form` (the protocol's default) or `url`. */
  mode?: string | undefined;
  message: string;
  /**
   * Of a form: the JSON Schema of an object whose fields are flat.
   * @see MCP 2025-11-25, Elicitation, "Requested Schema"
   */
  requestedSchema?: object | undefined;
  /** Of `url`: where the user goes. */
  url?: string | undefined;
  /** Of `url`. */
  elicitationId?: string | undefined;
  _meta?: object | undefined;
}

type FieldValue<Field> = Field extends { type: "boolean" }
  ? boolean
  : Field extends { type: "number" | "integer" }
    ? number
    : Field extends { type: "array" }
      ? string[]
      : Field extends { enum: readonly (infer Choice)[] }
        ? Choice
        : Field extends { oneOf: readonly { const: infer Choice }[] }
          ? Choice
          : Field extends { type: "string" }
            ? string
            : unknown;

type RequiredKeys<Schema> = Schema extends { required: readonly (infer Key)[] }
  ? string extends Key
    ? never
    : Key
  : never;

type Content<Fields, Required> = {
  -readonly [Key in keyof Fields & Required]: FieldValue<Fields[Key]>;
} & {
  -readonly [Key in Exclude<keyof Fields, Required>]?: FieldValue<Fields[Key]> | undefined;
};

/**
 * The content of an answer, typed by the form of its question. `runTask` does not check the answer
 * against the form; the server package does.
 */
export type ElicitedContent<Params> = Params extends { requestedSchema: infer Schema }
  ? Schema extends { properties: infer Fields }
    ? Content<Fields, RequiredKeys<Schema>>
    : Record<string, unknown>
  : Record<string, unknown>;

/** A user's answer. @see MCP 2025-11-25, schema `ElicitResult` */
export interface ElicitResult<Content = Record<string, unknown>> extends Result {
  action: "accept" | "decline" | "cancel";
  /** Of a form that was accepted. */
  content?: Content | undefined;
}

/**
 * The content of a message to or from a model. @see MCP 2025-11-25, schema
 * `SamplingMessageContentBlock`
 */
export type SamplingContent =
  | { type: "text"; text: string; _meta?: object | undefined }
  | { type: "image" | "audio"; data: string; mimeType: string; _meta?: object | undefined }
  | { type: "tool_use"; id: string; name: string; input: Record<string, unknown>; _meta?: object | undefined }
  | { type: "tool_result"; toolUseId: string; content: unknown[]; _meta?: object | undefined };

/** @see MCP 2025-11-25, schema `SamplingMessage` */
export interface SamplingMessage {
  role: "user" | "assistant";
  content: SamplingContent | SamplingContent[];
  _meta?: object | undefined;
}

/** A question to the requestor's model. @see MCP 2025-11-25, schema `CreateMessageRequestParams` */
export interface SampleParams {
  messages: readonly SamplingMessage[];
  maxTokens: number;
  systemPrompt?: string | undefined;
  includeContext?: "none" | "thisServer" | "allServers" | undefined;
  temperature?: number | undefined;
  stopSequences?: readonly string[] | undefined;
  modelPreferences?: object | undefined;
  metadata?: object | undefined;
  tools?: readonly object[] | undefined;
  toolChoice?: object | undefined;
  _meta?: object | undefined;
}

/** A model's answer. @see MCP 2025-11-25, schema `CreateMessageResult` */
export interface CreateMessageResult extends Result {
  role: "user" | "assistant";
  content: SamplingContent | SamplingContent[];
  model: string;
  stopReason?: string | undefined;
}
