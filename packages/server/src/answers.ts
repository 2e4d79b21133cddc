import type { InputRequest } from "@mcp-task-store/core";
import { isSpecType, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";

/** Under this key a stored answer is the JSON-RPC error with which a 2025-11-25 client answered. */
export const ANSWER_ERROR = "mcp-task-store/error";

function fits({ method }: InputRequest, answer: unknown): boolean {
  switch (method) {
    case "elicitation/create":
      return isSpecType.ElicitResult(answer);
    case "sampling/createMessage":
      return isSpecType.CreateMessageResult(answer) || isSpecType.CreateMessageResultWithTools(answer);
    case "roots/list":
      return isSpecType.ListRootsResult(answer);
    default:
      return true;
  }
}

/**
 * Refuses answers that cannot be meant for the questions that wait; those to other keys are for the store to ignore.
 * @throws ProtocolError -32602
 */
export function checkAnswers(questions: Record<string, InputRequest>, answers: Record<string, unknown>): void {
  for (const [key, answer] of Object.entries(answers)) {
    if (!Object.hasOwn(questions, key)) continue;
    const question = questions[key] as InputRequest;
    if (!fits(question, answer))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `inputResponses: one is no answer to ${question.method}`,
      );
  }
}
