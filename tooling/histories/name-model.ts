// A task with its name, whose claims may be paused. No other task has this name.
import type { Model } from "./checker.ts";
import type { Operation, PauseCall, TaskCall } from "./operation.ts";
import { type State, taskModel } from "./task-model.ts";

interface Named {
  readonly task: State;
  readonly paused: boolean;
}

export const nameModel: Model<Named, Operation<TaskCall | PauseCall>> = {
  initial: { task: null, paused: false },
  step(state, operation) {
    if (isPause(operation)) {
      const { call, answer } = operation;
      if (typeof answer === "object" && "error" in answer) return undefined;
      if (call.do !== "readPaused") return { ...state, paused: call.do === "pause" };
      return answer !== "unknown" && answer.seen["paused"] === state.paused ? state : undefined;
    }
    const { task, paused } = state;
    // A claim is recorded for the tasks that it took.
    if (paused && operation.call.do === "claim") return undefined;
    const next = taskModel.step(task, operation as Operation<TaskCall>);
    return next === undefined ? undefined : { task: next, paused };
  },
  isRead: (operation) =>
    isPause(operation) ? operation.call.do === "readPaused" : taskModel.isRead(operation as Operation<TaskCall>),
  key: ({ task, paused }) => `${paused} ${taskModel.key(task)}`,
};

function isPause(operation: Operation<TaskCall | PauseCall>): operation is Operation<PauseCall> {
  return ["pause", "resume", "readPaused"].includes(operation.call.do);
}
