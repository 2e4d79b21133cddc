import { defineCommand } from "../command.ts";
import { EXIT } from "../exit.ts";
import { table } from "../output/table.ts";
import { ago, count } from "../output/text.ts";
import { type WorkerJson, workersOf } from "../workers.ts";

export default defineCommand({
  usage: "",
  arity: [0, 0],
  writes: false,
  options: {},
  details: "A worker that has no task now leaves no trace in the store, and is not in the list.",
  async run({ output, signal, open }) {
    const { store } = await open();
    const progress = (scanned: number) => output.progress(`looked at ${count(scanned, "task")}`);
    const { workers, scanned } = await workersOf(store, signal, progress);
    if (output.json) output.document({ workers, scanned });
    else if (workers.length === 0) output.note("no process holds a task now");
    else for (const line of workersTable(workers, output.width)) output.line(line);
    return EXIT.ok;
  },
});

export function workersTable(workers: readonly WorkerJson[], width: number): string[] {
  const names = (each: WorkerJson) => Object.entries(each.names).map(([name, number]) => `${name} ${number}`);
  return table(
    [
      { title: "HOST", of: ({ host }) => host, least: 8 },
      { title: "PID", of: ({ pid }) => `${pid}`, side: "right" },
      { title: "WORKER", of: ({ worker }) => worker ?? "-", least: 6 },
      { title: "VERSION", of: ({ version }) => version ?? "-", least: 7, keep: 1 },
      { title: "RUNNING", of: ({ running }) => `${running}`, side: "right" },
      { title: "LONGEST", of: ({ oldestRunAt }) => ago(oldestRunAt), side: "right", keep: 2 },
      { title: "NAMES", of: (each) => names(each).join(", "), least: 8 },
    ],
    workers,
    width,
  );
}
