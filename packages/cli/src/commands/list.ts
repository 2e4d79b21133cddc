import type { OperatorRecordWith } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { FILTER_HELP, filterOf, WHERE } from "../filter.ts";
import type { Output } from "../output/output.ts";
import { holderText, taskJson } from "../output/records.ts";
import { painted } from "../output/status.ts";
import { type Column, table } from "../output/table.ts";
import { ago, count } from "../output/text.ts";
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

/** Tasks as a table no wider than the terminal. Nothing if there are none. */
export function listTable(output: Output, rows: readonly Row[], now = Date.now()): string[] {
  if (rows.length === 0) return [];
  const columns: Column<Row>[] = [
    { title: "ID", of: ({ task }) => task.taskId, least: 8 },
    {
      title: "STATUS",
      of: ({ task, stuck }) => (stuck === undefined ? task.status : `${task.status} (${stuck})`),
      least: 9,
      paint: (cell, { task }) => painted(output, task.status, cell),
    },
    { title: "NAME", of: ({ name }) => name, least: 8 },
    { title: "OWNER", of: ({ owner }) => owner ?? "-", least: 5, keep: 4 },
    { title: "AGE", of: ({ task }) => ago(task.createdAt, now), side: "right" },
    { title: "CHANGED", of: ({ task }) => ago(task.lastUpdatedAt, now), side: "right", keep: 5 },
    { title: "TRY", of: ({ attempt }) => `${attempt}`, side: "right", keep: 2 },
    { title: "HOLDER", of: holderText, least: 8, keep: 1 },
    { title: "MESSAGE", of: ({ task }) => task.statusMessage ?? "", least: 10, keep: 3 },
  ];
  return table(columns, rows, output.width);
}
