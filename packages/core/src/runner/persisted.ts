import { isTaskStoreError } from "../contract/errors.ts";
import { now, setTimeout } from "../process/real-time.ts";

/** First pause before a write is made again, in ms; it doubles up to the limit. */
const PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;

/** What became of a call. `again`: it was made more than once, so an answer may have been lost. */
export type Persisted<T> = ({ written: T } | { error: unknown }) & { again: boolean };

/**
 * Makes a call again while the backend cannot be reached, for as long as the runner's lease can be
 * its own: its work may have taken hours.
 * @param goesOn Asked before the call is made again.
 */
export async function persisted<T>(
  leaseMs: number,
  write: () => Promise<T>,
  goesOn: () => boolean = () => true,
): Promise<Persisted<T>> {
  const giveUpAt = now() + leaseMs;
  for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, MAX_PAUSE_MS)) {
    const again = pause > PAUSE_MS;
    try {
      return { written: await write(), again };
    } catch (error) {
      if (!isTaskStoreError(error, "BACKEND_UNAVAILABLE") || now() >= giveUpAt || !goesOn()) return { error, again };
      await new Promise((resolve) => setTimeout(resolve, pause).unref());
      if (!goesOn()) return { error, again };
    }
  }
}

/** The same. It rejects with the last error. */
export async function throughOutages<T>(...call: Parameters<typeof persisted<T>>): Promise<T> {
  const done = await persisted(...call);
  if ("error" in done) throw done.error;
  return done.written;
}
