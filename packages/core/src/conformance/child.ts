// The process that the suite starts to have a second one: it opens a store and does what it is told.

import type { TaskStore } from "../contract.ts";
import { isTaskStoreError } from "../errors.ts";
import type { Answer, Command } from "./remote-store.ts";

let store: TaskStore;

function run(method: string, args: unknown[]): unknown {
  const [target, name] = method.startsWith("messages.")
    ? [store.messages, method.slice("messages.".length)]
    : [store, method];
  return (target as unknown as Record<string, (...args: unknown[]) => unknown>)[name]?.(...args);
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
      // The barrier: every process starts at the same moment, and all calls of one are made before any is answered.
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
      // Without the channel, the process goes on only if something in it keeps it alive.
      setImmediate(() => process.disconnect());
      return undefined;
  }
}

function plain(error: unknown): NonNullable<Answer["error"]> {
  const { name, message, stack = "" } = error as Error;
  return isTaskStoreError(error)
    ? { name, message, stack, code: error.code, taskId: error.taskId, status: error.status }
    : { name, message, stack };
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
