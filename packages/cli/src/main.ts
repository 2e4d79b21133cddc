#!/usr/bin/env node
import { constants } from "node:os";
import { Interrupted, SIGNALLED } from "./exit.ts";
import { run } from "./run.ts";

/** A command that is interrupted may finish the step that it is in. */
const GRACE_MS = 2000;
/** The terminal and npx both send a signal for one Ctrl-C. */
const SAME_KEY_MS = 300;

const interrupted = new AbortController();
let interruptedAt = 0;

function interrupt(signal: NodeJS.Signals): void {
  const code = SIGNALLED + constants.signals[signal];
  if (!interrupted.signal.aborted) {
    interruptedAt = performance.now();
    interrupted.abort(new Interrupted(signal));
    setTimeout(() => process.exit(code), GRACE_MS).unref();
  } else if (performance.now() - interruptedAt > SAME_KEY_MS) process.exit(code);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupt(signal));
// The reader of the output may end first, as with `| head`.
process.stdout.on("error", () => {
  if (!interrupted.signal.aborted) interrupt("SIGPIPE");
});

process.exitCode = await run(process.argv.slice(2), interrupted.signal);
