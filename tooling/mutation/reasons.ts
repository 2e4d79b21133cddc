import type { Mutant } from "./mutant.ts";

/** Why no case can catch a mutant. It is found by its text, and so survives changes around it. */
export interface Reason {
  /** The end of the file's path. */
  readonly file: string;
  /** The line's text, or a part of it. */
  readonly line: string;
  /** The change as it is printed, or a part of it. Default: every change of the line. */
  readonly change?: string;
  readonly reason: string;
}

export const reasons: readonly Reason[] = [];

export function excuses({ file, line, change = "" }: Reason, mutant: Mutant): boolean {
  return mutant.file.endsWith(file) && mutant.lineText.includes(line) && mutant.change.includes(change);
}

export function reasonFor(mutant: Mutant): Reason | undefined {
  return reasons.find((each) => excuses(each, mutant));
}
