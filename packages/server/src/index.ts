export type {
  Context,
  CreatedTask,
  CreateOptions,
  FallbackTool,
  FallbackToolsOptions,
  OpenNow,
  TaskCaller,
  TaskMode,
  TasksExtensionOptions,
  TaskToolConfig,
  TaskToolHandler,
  TaskToolOptions,
  ToolArguments,
  WithoutTasks,
} from "./options.ts";
export { TASKS_EXTENSION_ID } from "./protocol/wire.ts";
export { TasksExtension } from "./tasks-extension.ts";
