// Checks the histories of a run, one task or queue after another.
import { capModel } from "./cap-model.ts";
import { check, type Model, type Verdict } from "./checker.ts";
import { byRegister } from "./history.ts";
import { nameModel } from "./name-model.ts";
import { isCapCall, isQueueCall, type Operation } from "./operation.ts";
import { queueModel } from "./queue-model.ts";
import { shrink } from "./shrink.ts";
import { tokenOf } from "./task-model.ts";

/** A task, queue or capped owner whose operations have no order. */
export interface Violation {
  readonly register: string;
  /** The operations that show it. */
  readonly operations: readonly Operation[];
  /** How many operations the whole history has. */
  readonly of: number;
}

export interface Findings {
  readonly operations: number;
  readonly unknown: number;
  /** Tasks with their names, queues and capped owners. */
  readonly registers: number;
  readonly violations: readonly Violation[];
  /** Registers whose search gave up. */
  readonly undecided: readonly string[];
}

/** Violations that are made small. More of them would tell little, and take long. */
const SHRUNK = 3;

export function judge(operations: readonly Operation[]): Findings {
  const violations: Violation[] = [];
  const undecided: string[] = [];
  const registers = byRegister(operations);
  for (const [register, history] of registers) {
    const { verdict } = verdictOn(history);
    if (verdict === "undecided") undecided.push(register);
    if (verdict !== "violation") continue;
    const shown = violations.length < SHRUNK ? small(history) : history;
    violations.push({ register, operations: shown, of: history.length });
  }
  const unknown = operations.filter(({ call, answer }) => answer === "unknown" && call.do !== "sweep").length;
  return { operations: operations.length, unknown, registers: registers.size, violations, undecided };
}

/** Whether the operations on one register can have an order. */
export function verdictOn(history: readonly Operation[]): Verdict<Operation> {
  return check(modelOf(history), history);
}

function small(history: readonly Operation[]): readonly Operation[] {
  const doubted = (op: Operation): Operation => ({
    ...op,
    answer: "unknown",
    // The writes under a lease that are left could not be explained without its token.
    token: tokenOf(op),
    returned: Infinity,
    time: [op.time[0], Infinity],
  });
  return shrink(modelOf(history), history, doubted);
}

/** All calls for a register are of one kind. */
function modelOf(history: readonly Operation[]): Model<unknown, Operation> {
  const [first] = history;
  const model = first && isQueueCall(first.call) ? queueModel : first && isCapCall(first.call) ? capModel : nameModel;
  return model as Model<unknown, Operation>;
}
