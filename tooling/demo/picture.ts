/**
 * `npx pnpm@12 demo:picture`: runs the demo, records its terminal output, and draws it as
 * `demo.svg`.
 */
import { writeFile } from "node:fs/promises";
import { runDemo } from "./demo.ts";
import { type Chunk, draw } from "./drawing.ts";
import { parseOptions } from "./options.ts";

/** The path of the clone, as the picture shows it. */
const SHOWN_ROOT = "~/mcp-task-store";

const options = parseOptions([]);
if (options === "help") throw new Error("unreachable");
const chunks: Chunk[] = [];
const started = performance.now();

// Makes the demo write in colour, with a redrawn progress bar, as to a terminal.
process.env["FORCE_COLOR"] = "1";
process.stdout.isTTY = true;
const write = process.stdout.write.bind(process.stdout) as (text: string) => boolean;
process.stdout.write = ((text: string) => {
  chunks.push({ at: Math.round(performance.now() - started), text: text.replaceAll(options.dir, SHOWN_ROOT) });
  return write(text);
}) as typeof process.stdout.write;

await runDemo(options, new AbortController().signal);

const title = "The demo: an MCP server is killed half-way through a task, and another one finishes it";
await writeFile(new URL("demo.svg", import.meta.url), draw("npx pnpm@12 demo", title, chunks));
