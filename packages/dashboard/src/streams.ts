import { Quota } from "@mcp-task-store/core/backend";
import { Refusal } from "./failures.ts";

/** Limits the streams that are open at a time. Visitors without a name count as one user. */
export class Streams extends Quota<string | undefined> {
  /** Takes a place until the returned function is called. */
  take(user: string | undefined): () => void {
    switch (this.fullFor(user)) {
      case "own":
        throw new Refusal(429, "TOO_MANY_STREAMS", "You have too many streams open");
      case "all":
        throw new Refusal(503, "TOO_MANY_STREAMS", "Too many streams are open");
      default:
        return this.hold(user);
    }
  }
}
