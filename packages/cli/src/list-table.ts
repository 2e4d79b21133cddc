import type { OperatorRecordWith } from "@mcp-task-store/core";
import type { Output } from "./output/output.ts";
import { holderText } from "./output/records.ts";
import { painted } from "./output/status.ts";
import { type Column, table } from "./output/table.ts";
import { ago } from "./output/text.ts";

type Row = OperatorRecordWith<never>;

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
