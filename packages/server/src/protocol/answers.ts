import type { InputRequest } from "@mcp-task-store/core";
import { isSpecType, type JsonSchemaType, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/server/validators/ajv";

/**
 * A stored answer holds an error under this key: the JSON-RPC error with which a client of
 * 2025-11-25 answered, or, without a code, the reason why the client could not be asked.
 */
export const ANSWER_ERROR = "mcp-task-store/error";
/**
 * Compiled schemas to keep. At this number all are dropped together with the compiler, which also
 * keeps every schema that it compiled.
 */
const MAX_SCHEMAS = 200;

/** The error of `elicit` and `sample` in a call of 2026-07-28 that is answered at once. */
export const CANNOT_ASK = "A call of 2026-07-28 can ask only as a task: make the tool a task, or ask in `prepare`";

type Check = (content: unknown) => string | undefined;

/**
 * By the text of the schema, because each question read from the store has another schema object.
 */
const checks = new Map<string, Check>();
let validator = new AjvJsonSchemaValidator();

/**
 * The check of one schema. A schema that cannot be compiled checks nothing, because no answer could
 * ever fit it.
 */
function checkOf(schema: Record<string, unknown>): Check {
  // The compiler would take another schema of the same $id for this one.
  const { $id: _, ...unnamed } = schema;
  const text = JSON.stringify(unnamed);
  const known = checks.get(text);
  if (known) return known;
  if (checks.size >= MAX_SCHEMAS) {
    checks.clear();
    validator = new AjvJsonSchemaValidator();
  }
  let check: Check = () => undefined;
  try {
    const validate = validator.getValidator(unnamed as JsonSchemaType);
    // The validator calls its input "data". Its messages name places and expectations, not values.
    check = (content) => validate(content).errorMessage?.replaceAll(/(^|, )data(?=[/ ])/g, "$1content");
  } catch {
    // No answer could fit this schema.
  }
  checks.set(text, check);
  return check;
}

/**
 * Where a user's answer does not fit the form; `undefined` if it does.
 * @see MCP 2025-11-25, Elicitation, "Requested Schema"
 */
function contentMisfit(params: InputRequest["params"], answer: Record<string, unknown>): string | undefined {
  const { mode, requestedSchema: schema } = params ?? {};
  // A question with a URL has no form. A user who declines or cancels fills in no form.
  if (mode === "url" || answer["action"] !== "accept" || typeof schema !== "object" || schema === null)
    return undefined;
  return checkOf(schema as Record<string, unknown>)(answer["content"] ?? {});
}

/** Where an answer does not fit its question; `undefined` if it does. */
function misfitOf({ method, params }: InputRequest, answer: unknown): string | undefined {
  const wrongKind = `it is not an answer to ${method}`;
  switch (method) {
    case "elicitation/create":
      return isSpecType.ElicitResult(answer) ? contentMisfit(params, answer) : wrongKind;
    case "sampling/createMessage":
      return isSpecType.CreateMessageResult(answer) || isSpecType.CreateMessageResultWithTools(answer)
        ? undefined
        : wrongKind;
    case "roots/list":
      return isSpecType.ListRootsResult(answer) ? undefined : wrongKind;
    default:
      return undefined;
  }
}

/**
 * Refuses answers that do not fit the open questions. The store ignores answers to other keys.
 * @throws ProtocolError -32602
 */
export function checkAnswers(questions: Record<string, InputRequest>, answers: Record<string, unknown>): void {
  for (const [key, answer] of Object.entries(answers)) {
    if (!Object.hasOwn(questions, key)) continue;
    const misfit = misfitOf(questions[key] as InputRequest, answer);
    if (misfit !== undefined)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `The answer to ${key.slice(0, 128)} does not fit: ${misfit}`,
      );
  }
}
