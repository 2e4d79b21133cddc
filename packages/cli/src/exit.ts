/** What the exit codes mean. The README and `--help` have the same list. */
export const EXIT = {
  ok: 0,
  /** The command could not do what was asked. */
  failed: 1,
  /** Wrong arguments or options: nothing was done. */
  usage: 2,
  /** `watch`: the task failed. `health`, `doctor`: something is wrong. */
  bad: 3,
  /** `watch`: the task was cancelled. */
  cancelled: 4,
  /** `watch`: the task expired. */
  expired: 5,
  /** `watch`: the time of `--timeout` was over. */
  timeout: 6,
} as const;

/** Added to the number of the signal that ended the command, as shells do. */
export const SIGNALLED = 128;

/** A wrong command line. */
export class UsageError extends Error {}

/** A failure that the user can understand from its message alone. */
export class Failure extends Error {}

/** The command was interrupted by a signal. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}
