// The thread of `watchdog.ts`. It shares only messages with the main thread, so it goes on while
// the main thread is blocked.

import { writeSync } from "node:fs";
import { parentPort } from "node:worker_threads";
import { BEAT_MS, type Sign, type Watched } from "./watchdog.ts";

const running = new Map<number, Watched>();
/**
 * How many turns this thread had since the last sign of the main thread. A machine that sleeps
 * stops both threads.
 */
let silent = 0;
let timer: NodeJS.Timeout | undefined;

parentPort?.on("message", ({ begun, ended }: Sign) => {
  silent = 0;
  if (begun) running.set(begun.run, begun);
  if (ended !== undefined) running.delete(ended);
  if (running.size > 0) timer ??= setInterval(look, BEAT_MS);
  else {
    clearInterval(timer);
    timer = undefined;
  }
});

function look(): void {
  silent += 1;
  const cases = [...running.values()];
  const blocked = cases.find(({ blockedMs }) => silent * BEAT_MS > blockedMs);
  if (!blocked) return;
  const names = cases.map(({ id, contract }) => `  ${id}: ${contract}\n`).join("");
  const reason = `The event loop had no turn for ${blocked.blockedMs} ms, so that no timer can end the case.`;
  // Written to the file descriptor, because `process.stderr` of a thread goes through the main
  // thread.
  writeSync(2, `\nFAILED, because it does not end:\n${names}${reason} The conformance suite ends the process.\n`);
  process.kill(process.pid, "SIGKILL");
}
