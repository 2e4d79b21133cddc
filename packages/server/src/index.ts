export type {
  Context,
  CreatedTask,
  CreateOptions,
  TaskCaller,
  TaskMode,
  TasksExtensionOptions,
  TaskToolConfig,
  TaskToolHandler,
  ToolArguments,
} from "./options.ts";
export { TASKS_EXTENSION_ID } from "./protocol/wire.ts";
export { TasksExtension } from "./tasks-extension.ts";
