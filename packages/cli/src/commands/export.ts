import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { Writable } from "node:stream";
import { defineCommand } from "../command.ts";
import { EXIT, UsageError } from "../exit.ts";
import { FILTER_HELP, filterOf, WHERE } from "../filter.ts";
import { count } from "../output/text.ts";

export default defineCommand({
  usage: "[<file>]",
  arity: [0, 1],
  writes: false,
  options: {
    ...WHERE,
    follow: { type: "boolean", short: "f", help: "go on with each new task, until interrupted" },
  },
  details: `Writes each task as a line of JSON with everything that it is, payloads included, oldest first: to the file, or to stdout. \`import\` reads it, into any kind of store.\n\n${FILTER_HELP}`,
  async run({ values, arguments: [file], output, signal, open }) {
    const where = filterOf(values.where);
    if (output.json && file === undefined)
      throw new UsageError("export writes JSON already: leave out --json, or name a file");
    const { store } = await open();
    const target = file === undefined ? process.stdout : await created(file);
    let written = 0;
    let whole = false;
    try {
      for await (const task of store.operations.exportTasks({ where, follow: values.follow, signal })) {
        if (!target.write(`${JSON.stringify(task)}\n`)) await once(target, "drain", { signal });
        written += 1;
        if (file !== undefined) output.progress(`${count(written, "task")} so far`);
      }
      whole = true;
    } finally {
      if (file !== undefined) {
        await ended(target);
        // Half an export is no backup, and would be in the way of the next one.
        if (!whole && !signal.aborted) await rm(file);
      }
    }
    if (output.json) output.document({ exported: written });
    else output.note(`${count(written, "task")} exported`);
    return EXIT.ok;
  },
});

/** A new file. One that exists stays as it is. */
async function created(file: string): Promise<Writable> {
  const stream = createWriteStream(file, { flags: "wx", mode: 0o600 });
  await once(stream, "open");
  return stream;
}

function ended(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.end(() => resolve());
  });
}
