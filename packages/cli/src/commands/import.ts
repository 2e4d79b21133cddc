import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { ExportedTask } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { EXIT, Failure } from "../exit.ts";
import { count } from "../output/text.ts";

export default defineCommand({
  usage: "[<file>]",
  arity: [0, 1],
  writes: true,
  options: {},
  details:
    "Reads what export wrote: from the file, or from stdin. A task whose id exists stays as it is, so an import that was interrupted may be begun again.",
  async run({ arguments: [file], output, signal, open }) {
    const { store } = await open();
    const outcome = await store.operations.importTasks(tasksOf(file), {
      signal,
      onProgress: ({ imported, existing }) => output.progress(`${count(imported + existing, "task")} so far`),
    });
    if (output.json) output.document(outcome);
    else output.line(`${count(outcome.imported, "task")} imported, ${outcome.existing} existed already`);
    return EXIT.ok;
  },
});

async function* tasksOf(file: string | undefined): AsyncGenerator<ExportedTask> {
  const input = file === undefined ? process.stdin : createReadStream(file);
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (line.trim() === "") continue;
    try {
      yield JSON.parse(line) as ExportedTask;
    } catch (error) {
      // What the store refuses is thrown here as well, and says itself what is wrong.
      if (!(error instanceof SyntaxError)) throw error;
      throw new Failure(`line ${number} is no JSON: the lines before it are imported`);
    }
  }
}
