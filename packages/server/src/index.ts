export type { TaskCaller } from "./callers.ts";
export type {
  Context,
  CreatedTask,
  CreateOptions,
  TaskMode,
  TasksExtensionOptions,
  TaskToolConfig,
  TaskToolHandler,
  ToolArguments,
} from "./options.ts";
export { TasksExtension } from "./tasks-extension.ts";
export { TASKS_EXTENSION_ID } from "./wire.ts";
