import type { DirectoryDigest } from "./files.ts";
import type { HashDirectoryResult } from "./hash-directory.ts";

/** The facts of a run, for the verdict. */
export interface Evidence {
  result: HashDirectoryResult;
  /** The same work, done without a task. */
  straight: DirectoryDigest;
  /** Process ids. */
  firstServer: number;
  secondServer: number;
  firstServerEndedBy: NodeJS.Signals | null;
  /** Files that the client had seen done at the kill of the first server. */
  doneAtKill: number;
}

/** Returns the problems of a run, or an empty list for a good one. */
export function problemsOf(evidence: Evidence): string[] {
  const { result, straight, doneAtKill } = evidence;
  const first = result.hashedBy[evidence.firstServer] ?? 0;
  const second = result.hashedBy[evidence.secondServer] ?? 0;
  const checks: [wrong: boolean, problem: string][] = [
    [evidence.firstServerEndedBy !== "SIGKILL", "server 1 was not ended by SIGKILL"],
    [doneAtKill === 0 || doneAtKill >= straight.files, "server 1 was not killed half-way"],
    [result.sha256 !== straight.sha256, `the digest is ${result.sha256}, but should be ${straight.sha256}`],
    [result.files !== straight.files, `${result.files} files were hashed instead of ${straight.files}`],
    [result.bytes !== straight.bytes, `${result.bytes} bytes were hashed instead of ${straight.bytes}`],
    [result.attempt !== 2, `it was attempt ${result.attempt} that finished the task, not attempt 2`],
    [first === 0, "server 2 started from nothing"],
    [first < doneAtKill, `${doneAtKill} files were done when server 1 was killed, but only ${first} of them were kept`],
    [second === 0, "server 2 did nothing"],
    [first + second !== result.files, `the servers hashed ${first} and ${second} files, which is not ${result.files}`],
  ];
  return checks.filter(([wrong]) => wrong).map(([, problem]) => problem);
}
