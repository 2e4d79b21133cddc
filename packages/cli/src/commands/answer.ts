import { type InputRequest, isTaskStoreError } from "@mcp-task-store/core";
import { DRY_RUN } from "../acts.ts";
import { defineCommand } from "../command.ts";
import { EXIT, Failure, UsageError } from "../exit.ts";
import { jsonOf } from "../input.ts";
import { taskIdOf } from "../tasks.ts";

export default defineCommand({
  usage: "<id> [<key>] --accept JSON | --decline | --dismiss | --response JSON",
  arity: [1, 2],
  writes: true,
  options: {
    accept: { type: "string", value: "JSON", help: "the fields of an elicitation's form; - reads them from stdin" },
    decline: { type: "boolean", help: "decline an elicitation" },
    dismiss: { type: "boolean", help: "close an elicitation without an answer (action: cancel)" },
    response: {
      type: "string",
      value: "JSON",
      help: "the whole answer, for any other question; - reads it from stdin",
    },
    ...DRY_RUN,
  },
  details:
    "The key may be left out if the task has one open question: show lists them, and show --payloads says what they ask.",
  async run({ values, arguments: [given = "", key], output, open }) {
    const response = await responseOf(values);
    const { store } = await open();
    const taskId = await taskIdOf(store, given);
    const record = await store.operations.getRecord(taskId, { fields: ["inputRequests"] });
    if (record?.unreadable)
      throw new Failure("the questions are encrypted: give --codec with the keys, or write it into the configuration");
    const question = questionOf(record?.inputRequests ?? {}, key);
    const dryRun = values["dry-run"] ?? false;
    if (!dryRun) {
      try {
        await store.operations.answerInput(taskId, question, response);
      } catch (error) {
        throw isTaskStoreError(error, "INVALID_ARGUMENT") ? new Failure(error.message) : error;
      }
    }
    if (output.json) output.document({ dryRun, taskId, key: question });
    else output.line(`${dryRun ? "would have " : ""}answered ${question} of ${taskId}`);
    return EXIT.ok;
  },
});

async function responseOf(values: {
  readonly accept?: string | undefined;
  readonly decline?: boolean | undefined;
  readonly dismiss?: boolean | undefined;
  readonly response?: string | undefined;
}): Promise<unknown> {
  const { accept, decline, dismiss, response } = values;
  if ([accept, decline, dismiss, response].filter((value) => value !== undefined).length !== 1)
    throw new UsageError("give one of --accept, --decline, --dismiss and --response");
  if (accept !== undefined) return { action: "accept", content: await jsonOf("--accept", accept) };
  if (response !== undefined) return jsonOf("--response", response);
  return { action: decline ? "decline" : "cancel" };
}

/** The key of the question to answer. @throws Failure */
function questionOf(open: Record<string, InputRequest>, key: string | undefined): string {
  const keys = Object.keys(open);
  if (key !== undefined) {
    if (!Object.hasOwn(open, key))
      throw new Failure(`the task has no open question ${key}${keys.length > 0 ? `: it has ${keys.join(", ")}` : ""}`);
    return key;
  }
  const [first] = keys;
  if (first === undefined) throw new Failure("the task has no open question");
  if (keys.length > 1) throw new Failure(`the task has several open questions, say which: ${keys.join(", ")}`);
  return first;
}
