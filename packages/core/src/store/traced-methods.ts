import { invalid } from "../contract/errors.ts";
import type { Request } from "../contract/task.ts";
import { isTraced, type TracedOperation, type TraceMessage, traced, tracedNow } from "../process/tracing.ts";

type Method = (...args: unknown[]) => Promise<unknown>;

/** The operation of each traced method. Its first argument is a task, or what messageOf says. */
const OPERATIONS: Readonly<Record<string, TracedOperation>> = {
  createTask: "create",
  claimTask: "claim",
  claimTasks: "claim",
  storeTaskResult: "write",
  updateTaskStatus: "write",
  updateTask: "write",
  finishTask: "write",
  cancelTask: "write",
  requestInputs: "ask",
  provideInputs: "answer",
  waitForTask: "wait",
  waitForResult: "wait",
  awaitInput: "wait",
  acquireLease: "lease",
  renewLease: "lease",
  releaseLease: "lease",
};

/**
 * Makes the methods of a store publish what they do. Without a subscriber each costs one more call.
 */
export function traceMethods(prototype: object): void {
  const methods = prototype as Record<string, Method>;
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const method = methods[name];
    if (!method) throw invalid(`There is no method ${name} to trace`);
    methods[name] = function (this: unknown, ...args: unknown[]): Promise<unknown> {
      // The short form of createTask, which has no request, calls the long one.
      if (!isTraced(operation) || (operation === "create" && args[2] === undefined)) return method.apply(this, args);
      const message = messageOf(operation, name, args);
      return traced(message, () => {
        if (operation === "create") args[2] = message.request;
        return method.apply(this, args);
      });
    };
  }
}

/** Creates a task by `create`, and publishes that. */
export function tracedCreation<T>(
  options: object,
  request: Request,
  create: (request: Request) => Promise<T>,
): Promise<T> {
  if (!isTraced("create")) return create(request);
  const message = messageOf("create", "createTask", [options, undefined, request]);
  return traced(message, () => create(message.request ?? request));
}

/** The same for a creation that is over when it returns. */
export function tracedCreationNow<T>(options: object, request: Request, create: (request: Request) => T): T {
  if (!isTraced("create")) return create(request);
  const message = messageOf("create", "createTask", [options, undefined, request]);
  return tracedNow(message, () => create(message.request ?? request));
}

function messageOf(operation: TracedOperation, method: string, args: readonly unknown[]): TraceMessage {
  const [first] = args;
  switch (operation) {
    case "create": {
      const request = args[2] as Request | undefined;
      const tool = request?.params?.["name"];
      const { taskId } = (first ?? {}) as { taskId?: string };
      return { operation, method, taskId, name: typeof tool === "string" ? tool : request?.method, request };
    }
    case "claim":
      return { operation, method, names: (first as { names?: readonly string[] } | undefined)?.names };
    default: {
      const taskId = typeof first === "string" ? first : (first as { taskId?: string } | undefined)?.taskId;
      return { operation, method, taskId };
    }
  }
}
