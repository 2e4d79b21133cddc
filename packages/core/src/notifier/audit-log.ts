import type { Writable } from "node:stream";
import { invalid } from "../contract/errors.ts";
import type { DeliveredEvent, TaskEvent } from "../contract/events.ts";
import type { Deliver } from "./options.ts";

/** A line of an audit log: the event as JSON. */
export type AuditLine = TaskEvent;

/**
 * Returns a `deliver` for `startNotifier` that writes each event as a line of JSON (`AuditLine`).
 * To a file it appends, and an event counts as delivered once the line is on the disk. Lines of
 * events that are delivered at the same time share one sync. A file that was renamed is made anew.
 * To a stream it counts once the stream has taken the line. A line may come twice, with the same
 * `id`.
 * @param target The path of a file, or a stream such as `process.stdout`.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * startNotifier(store, {
 *   name: "audit",
 *   on: TASK_EVENT_KINDS,
 *   deliver: auditLog("/var/log/tasks.jsonl"),
 *   concurrency: 100,
 * });
 * ```
 */
export function auditLog(target: string | Writable): Deliver {
  if (typeof target === "string" && target !== "") {
    const file = new LogFile(target);
    return (event) => file.append(lineOf(event));
  }
  const stream = target as Writable;
  if (typeof stream?.write !== "function") throw invalid("auditLog needs the path of a file, or a stream");
  return (event) =>
    new Promise<void>((resolve, reject) => {
      stream.write(lineOf(event), (error) => (error ? reject(error) : resolve()));
    });
}

function lineOf({ id, kind, at, task }: DeliveredEvent): string {
  const line: AuditLine = { id, kind, at, task };
  return `${JSON.stringify(line)}\n`;
}

interface Waiting {
  readonly line: string;
  resolve(): void;
  reject(error: unknown): void;
}

const NEW_LINE = 0x0a;

/** Appends lines to a file, all that wait at once, and one batch after the other. */
class LogFile {
  readonly #path: string;
  #waiting: Waiting[] = [];
  #writing = false;

  constructor(path: string) {
    this.#path = path;
  }

  append(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      if (!this.#writing) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch.map(({ line }) => line).join(""));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#writing = false;
  }

  async #write(lines: string): Promise<void> {
    const { open } = await import("node:fs/promises");
    // Opened anew for each batch, so that lines follow a file that was renamed.
    const file = await open(this.#path, "a+");
    try {
      const { size } = await file.stat();
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(size - 1, 0));
      // A process that was killed may have left half a line.
      const begun = size > 0 && buffer[0] !== NEW_LINE;
      await file.appendFile(begun ? `\n${lines}` : lines);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}
