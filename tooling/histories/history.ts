// What processes record, and the operations that the checker makes of it.
import { type Answer, type Call, isQueueCall, isRead, type Operation, type Span } from "./operation.ts";

/** A line that a process writes before a call. */
export interface Invocation {
  readonly op: number;
  readonly registers: readonly string[];
  readonly call: Call;
  /** Milliseconds of the run, by the monotonic clock that all processes of a host share. */
  readonly at: number;
}

/** A line that a process writes after a call. */
export interface Return {
  readonly op: number;
  readonly at: number;
  /** By register. One that is missing has nothing to say. */
  readonly answers: Readonly<Record<string, Answer>>;
}

/** How far the database's clock was ahead of the monotonic clock, at least and at most. */
export type Ahead = (from: number, to: number) => Span;

/** Databases cut times to milliseconds, and a host's clocks are not quite in step. */
const SLACK_MS = 3;

/** The operations of a process, by register, out of its lines. A last line may be cut off. */
export function operationsOf(process: number, lines: readonly string[], ahead: Ahead): Operation[] {
  const returns = new Map<number, Return>();
  const invocations: Invocation[] = [];
  for (const line of lines) {
    const entry = parse(line);
    if (entry === undefined) continue;
    if ("answers" in entry) returns.set(entry.op, entry);
    else invocations.push(entry);
  }
  return invocations.flatMap(({ op, registers, call, at }) => {
    const returned = returns.get(op);
    return registers.flatMap((register): Operation[] => {
      const answer = returned ? returned.answers[register] : "unknown";
      if (answer === undefined || (answer === "unknown" && isRead(call))) return [];
      const until = answer === "unknown" || !returned ? Infinity : returned.at;
      // An answered sweep is over, and does not tell whether it met the task.
      const known = answer !== "unknown" && call.do !== "sweep";
      const [least, most] = ahead(at - SLACK_MS, until + SLACK_MS);
      const time: Span = [Math.floor(at + least - SLACK_MS), Math.ceil(until + most + SLACK_MS)];
      const result = known ? answer : "unknown";
      return [{ register, process, call, answer: result, invoked: at, returned: known ? until : Infinity, time }];
    });
  });
}

function parse(line: string): Invocation | Return | undefined {
  try {
    return JSON.parse(line) as Invocation | Return;
  } catch {
    return undefined;
  }
}

/**
 * Operations by register. Calls for a queue through one store take effect in the order in which
 * they were made, as the contract says.
 */
export function byRegister(operations: readonly Operation[]): Map<string, Operation[]> {
  const registers = new Map<string, Operation[]>();
  const last = new Map<string, Operation>();
  for (const operation of operations.toSorted((one, other) => one.invoked - other.invoked)) {
    const { register, process, call, answer } = operation;
    const list = registers.get(register) ?? [];
    registers.set(register, list);
    const line = `${process} ${register}`;
    const ordered = isQueueCall(call) && answer !== "unknown";
    const placed = ordered ? { ...operation, after: last.get(line) } : operation;
    if (ordered) last.set(line, placed);
    list.push(placed);
  }
  return registers;
}
