// The second process of a case. It opens a store and makes the calls that the first process sends.

import { isTaskStoreError } from "../../contract/errors.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import type { Answer, Command, RemoteError } from "./remote-store.ts";

let store: TaskStore;

function run(method: string, args: unknown[]): unknown {
  const [part, name] = method.includes(".")
    ? (method.split(".") as ["messages" | "operations" | "events", string])
    : [];
  const target = part === undefined ? store : store[part];
  return (target as unknown as Record<string, (...args: unknown[]) => unknown>)[name ?? method]?.(...args);
}

async function execute(command: Command): Promise<unknown> {
  switch (command.kind) {
    case "open": {
      const { open } = await import(command.module);
      store = await open(command.argument, command.options);
      return undefined;
    }
    case "call":
      return run(command.method, command.args);
    case "race":
      // The barrier: all processes start at the same moment, and each makes all its calls before
      // the first is answered.
      await new Promise((resolve) => setTimeout(resolve, Math.max(command.at - Date.now() - 5, 0)));
      while (Date.now() < command.at);
      return Promise.all(
        command.calls.map(([method, ...args]) =>
          Promise.resolve(run(method, args)).then(
            (value) => ({ value }),
            (error: unknown) => ({ error: plain(error) }),
          ),
        ),
      );
    case "leave":
      // Once the channel is closed, the process goes on only if something else keeps it alive.
      setImmediate(() => process.disconnect());
      return undefined;
  }
}

function plain(error: unknown): RemoteError {
  const { name, message, stack = "", cause, code } = error as Error & { code?: unknown };
  const told: RemoteError = { name, message, stack };
  if (typeof code === "string") told.code = code;
  if (cause instanceof Error) told.cause = plain(cause);
  return isTaskStoreError(error) ? { ...told, taskId: error.taskId, status: error.status } : told;
}

process.on("message", async ({ id, command }: { id: number; command: Command }) => {
  let answer: Answer;
  try {
    answer = { id, value: await execute(command) };
  } catch (error) {
    answer = { id, error: plain(error) };
  }
  process.send?.(answer);
});
