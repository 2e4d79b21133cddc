import { pauseCommand } from "../pauses.ts";

export default pauseCommand(
  "paused",
  "Workers of all processes leave new tasks of these names alone, until resume. Runs that have begun go on.",
);
