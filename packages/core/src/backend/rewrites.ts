import type { PayloadField } from "./stored-task.ts";

/** A text that is a field of the task itself. */
export type TaskText = PayloadField | "statusMessage";

/** A step of a task, by its name. */
export type StepText = `step:${string}`;

/** Where a text lies that a store keeps for a task. */
export type TextField = TaskText | StepText | "message";

/** A stored text to replace by another form of the same value. */
export interface Rewrite<Field extends TextField = TextField> {
  readonly field: Field;
  /** The text as it was read. */
  readonly from: string;
  readonly to: string;
}

const STEP = "step:";

export function stepText(name: string): StepText {
  return `${STEP}${name}`;
}

export function isStepText(field: string): field is StepText {
  return field.startsWith(STEP);
}

/** The name of the step, which may be empty. */
export function stepOf(field: StepText): string {
  return field.slice(STEP.length);
}

export function isTaskText(text: Rewrite): text is Rewrite<TaskText> {
  return text.field !== "message" && !isStepText(text.field);
}
