// Runs the suite over one mutant and ends with the first case that fails. Gets a `Task` as JSON on
// stdin, and writes a line for each case that passed, and one for the verdict.
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { conformanceCases, type Harness } from "@mcp-task-store/core/conformance";
import { harnessOf, type Place } from "./harnesses.ts";

export interface Task {
  readonly place: Place;
  readonly url: string;
  /** In the order in which they begin. */
  readonly cases: readonly string[];
  readonly concurrency: number;
}

export type Line =
  | { readonly passed: string; readonly ms: number }
  | { readonly failed: string; readonly invalid: boolean; readonly why: string }
  | { readonly survived: number };

/** A change that no database or language takes is no mutant. */
const INVALID =
  /SQLITE_ERROR|syntax error|code: '42(?!501)\w{3}'|supplies \d+ parameters|Too (?:many|few) parameter|Error compiling script|SyntaxError|undefined global|nonexistent global/;

const task = JSON.parse(await text(process.stdin)) as Task;
const say = (line: Line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const harness = await harnessOf(task.place, task.url);
const patient = await harnessOf(task.place, task.url, 3);
const byId = new Map(conformanceCases.map((each) => [each.id, each]));
const waiting = task.cases.values();
let passed = 0;

/** The error of the case, unless it passes. */
async function errorOf(id: string, over: Harness): Promise<unknown> {
  try {
    await byId.get(id)?.run(over);
    return undefined;
  } catch (error) {
    return error;
  }
}

async function runSome(): Promise<void> {
  for (const id of waiting) {
    const begun = performance.now();
    let error = await errorOf(id, harness);
    // A busy machine can fail a case, too. A case has to fail twice, the second time with more
    // patience.
    if (error) error = await errorOf(id, patient);
    if (error) {
      const seen = inspect(error, { depth: 8 });
      say({ failed: id, invalid: INVALID.test(seen), why: seen.slice(0, 2000) });
      // Cases that still run leave what they have made. The next run of the command removes it.
      process.stdout.write("", () => process.exit(0));
      return new Promise(() => undefined);
    }
    passed += 1;
    say({ passed: id, ms: Math.round(performance.now() - begun) });
  }
}

await Promise.all(Array.from({ length: task.concurrency }, runSome));
say({ survived: passed });
process.exit(0);
