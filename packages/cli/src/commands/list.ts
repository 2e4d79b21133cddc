import type { OperatorRecordWith } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { FILTER_HELP, filterOf, WHERE } from "../filter.ts";
import { listTable } from "../list-table.ts";
import { taskJson } from "../output/records.ts";
import { count } from "../output/text.ts";
import { pagesOf } from "../tasks.ts";

type Row = OperatorRecordWith<never>;

const DEFAULT_LIMIT = 50;

export default defineCommand({
  usage: "[--where FILTER]",
  arity: [0, 0],
  writes: false,
  options: {
    ...WHERE,
    limit: { type: "string", short: "n", value: "N", help: `most tasks (${DEFAULT_LIMIT})` },
    all: { type: "boolean", short: "a", help: "all tasks that match" },
    order: { type: "string", choices: ["newest", "oldest"], help: "which come first (newest)" },
    cursor: { type: "string", value: "CURSOR", help: "go on where a list has ended; with the same order" },
    ndjson: { type: "boolean", help: "print each task as a line of JSON, as soon as it is read" },
  },
  details: FILTER_HELP,
  async run({ values, output, signal, open }) {
    const where = filterOf(values.where);
    const limit = values.all ? Number.POSITIVE_INFINITY : limitOf(values.limit);
    const { order, cursor } = values;
    const { store } = await open();
    const options = { where, order: order as "newest" | "oldest" | undefined, cursor };
    const rows: Row[] = [];
    let found = 0;
    let scanned = 0;
    let nextCursor: string | undefined;
    for await (const page of pagesOf(store, options, limit, signal)) {
      found += page.records.length;
      if (values.ndjson) for (const record of page.records) output.record({ task: taskJson(record) });
      else rows.push(...page.records);
      scanned += page.scanned;
      nextCursor = page.nextCursor;
      output.progress(`${count(found, "task")} of ${count(scanned, "task")} so far`);
    }
    if (output.json && !values.ndjson)
      output.document({ tasks: rows.map(taskJson), nextCursor: nextCursor ?? null, scanned });
    if (output.json || values.ndjson) return EXIT.ok;
    for (const line of listTable(output, rows)) output.line(line);
    if (found === 0) output.note(values.where ? "no task matches" : "the store has no tasks");
    if (nextCursor !== undefined) output.note(`there may be more: --cursor ${nextCursor}`);
    return EXIT.ok;
  },
});

function limitOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LIMIT;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError("--limit takes a whole number from 1");
  return Number(text);
}
