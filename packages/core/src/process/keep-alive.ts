import { MAX_TIMER_MS } from "../contract/checks.ts";
import { presentContext } from "./context.ts";
import { clearInterval, setInterval } from "./real-time.ts";

// All calls share the timer, so it must not keep the context of one caller.
const inContext = presentContext();
let pending = 0;
let timer: NodeJS.Timeout | undefined;

/**
 * Keeps the process alive until the returned function is called. It is for pending calls that have
 * no connection or timer to do so. All of them share one timer, which exists while at least one
 * call is pending. The timer does nothing.
 */
export function keepAlive(): () => void {
  pending += 1;
  timer ??= inContext(() => setInterval(() => undefined, MAX_TIMER_MS));
  let ended = false;
  return () => {
    if (ended) return;
    ended = true;
    pending -= 1;
    if (pending > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Keeps the process alive until the promise settles. */
export async function keptAlive<T>(promise: Promise<T>): Promise<T> {
  const end = keepAlive();
  try {
    return await promise;
  } finally {
    end();
  }
}
