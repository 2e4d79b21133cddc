import type { HistoryEntry, OperatorField, OperatorRecordWith } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, Failure } from "../exit.ts";
import type { Output } from "../output/output.ts";
import { holderText, payloadsJson, taskJson } from "../output/records.ts";
import { painted } from "../output/status.ts";
import { ago, clean, durationText, padded } from "../output/text.ts";
import { taskIdOf } from "../tasks.ts";

/** Read in any case: which questions are open, and which task this one repeats. */
const FIELDS = ["inputRequests", "rerunOf"] as const satisfies readonly OperatorField[];

type ShownRecord = OperatorRecordWith<(typeof FIELDS)[number]>;

export default defineCommand({
  usage: "<id>",
  arity: [1, 1],
  writes: false,
  options: {
    payloads: { type: "boolean", short: "p", help: "show request, result, error, questions and checkpoint, too" },
  },
  details:
    "The beginning of an id, of four characters or more, will do if it is of one task alone. Payloads are hidden unless asked for: they hold what users have sent.",
  async run({ values, arguments: [given = ""], output, open }) {
    const { store } = await open();
    const taskId = await taskIdOf(store, given);
    const { operations } = store;
    const record = await (values.payloads
      ? operations.getRecord(taskId)
      : operations.getRecord(taskId, { fields: FIELDS }));
    if (!record) throw new Failure(`there is no task ${taskId}: it may have expired`);
    const questions = questionsOf(record);
    const { unreadable = [] } = record;
    if (output.json) {
      const { rerunOf = null } = record;
      const payloads = values.payloads ? { payloads: payloadsJson(record) } : {};
      output.document({ task: { ...taskJson(record), rerunOf, questions, unreadable }, ...payloads });
      return EXIT.ok;
    }
    for (const line of linesOf(output, record)) output.line(line);
    if (values.payloads) for (const line of payloadLines(output, record)) output.line(line);
    return EXIT.ok;
  },
});

/** The keys of open questions, and what kind each is. */
function questionsOf(record: ShownRecord): { key: string; method: string }[] {
  return Object.entries(record.inputRequests).map(([key, { method }]) => ({ key, method }));
}

function linesOf(output: Output, record: ShownRecord): string[] {
  const { task, attempt, stuck, history, rerunOf } = record;
  const at = (time: string | undefined) => (time === undefined ? undefined : `${time} (${relative(time)})`);
  const fields: Record<string, string | undefined> = {
    id: task.taskId,
    name: record.name,
    owner: record.owner ?? "none",
    status: task.status,
    message: task.statusMessage,
    stuck,
    created: at(task.createdAt),
    changed: at(task.lastUpdatedAt),
    ended: at(record.endedAt),
    expires: at(record.expiresAt) ?? "never",
    claimable: at(record.claimableAt),
    ttl: task.ttl === null ? "kept for ever" : durationText(task.ttl),
    attempt: `${attempt}`,
    holder: record.holder && `${holderText(record)}${record.holder.version ? ` (${record.holder.version})` : ""}`,
    "rerun of": rerunOf,
  };
  for (const { key, method } of questionsOf(record)) fields[`question ${key}`] = method;
  if (record.unreadable) fields["encrypted"] = `${record.unreadable.join(", ")}: --codec has the keys`;
  const shown = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined);
  const wide = Math.max(...shown.map(([label]) => clean(label).length));
  const lines = shown.map(([label, value]) => {
    const text = label === "status" ? painted(output, task.status) : clean(value);
    return `${output.style("dim", padded(clean(label), wide))}  ${text}`;
  });
  if (history.length > 0) lines.push("", output.style("bold", "history"));
  for (const entry of history) lines.push(`${entry.at}  ${clean(eventText(entry))}`);
  return lines;
}

function relative(time: string): string {
  const left = new Date(time).getTime() - Date.now();
  return left > 0 ? `in ${durationText(left)}` : `${ago(time)} ago`;
}

function eventText(entry: HistoryEntry): string {
  switch (entry.event) {
    case "taken":
      return `taken by ${holderText(entry)}`;
    case "traced":
      return `traced as ${entry.traceparent}`;
    case "given back":
      return [
        entry.error === undefined ? "given back" : `given back after an error: ${entry.error}`,
        entry.delayMs === undefined ? [] : `for ${durationText(entry.delayMs)} at least`,
      ]
        .flat()
        .join(", ");
    case "rerun":
      return `run again as ${entry.taskId}`;
    case "requeued":
      return "requeued by an operator";
  }
}

function payloadLines(output: Output, record: ShownRecord): string[] {
  return Object.entries(payloadsJson(record)).flatMap(([name, value]) => {
    if (value === null || (name === "inputRequests" && Object.keys(value as object).length === 0)) return [];
    const lines = JSON.stringify(value, null, 2).split("\n");
    return ["", output.style("bold", name), ...lines.map(clean)];
  });
}
