import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { TaskEvents } from "../../contract/events.ts";
import type { TaskMessageQueue } from "../../contract/messages.ts";
import type { TaskOperations } from "../../contract/operations.ts";
import type { TaskStoreOptions } from "../../contract/options.ts";
import type { TaskStore } from "../../contract/task-store.ts";
import type { RemoteDoor } from "../harness.ts";
import { quiet } from "./quiet.ts";

/**
 * A method and its arguments. They have to be cloneable, so signals and listeners are not possible.
 */
export type RemoteCall = [method: string, ...args: unknown[]];
export type Settled<T = unknown> = { value: T; error?: undefined } | { value?: undefined; error: RemoteError };
export type Command =
  | { kind: "open"; module: string; argument: unknown; options: TaskStoreOptions | undefined }
  | { kind: "call"; method: string; args: unknown[] }
  | { kind: "race"; at: number; calls: RemoteCall[] }
  | { kind: "leave" };

export interface RemoteError {
  name: string;
  message: string;
  stack: string;
  code?: string | undefined;
  taskId?: string | undefined;
  status?: string | undefined;
  cause?: RemoteError | undefined;
}
export interface Answer {
  id: number;
  value?: unknown;
  error?: RemoteError;
}

type Methods = {
  [Name in Exclude<
    keyof TaskStore,
    "capabilities" | "messages" | "operations" | "events" | "subscribe" | "watchClaimable" | symbol
  >]: TaskStore[Name];
} & { [Name in keyof TaskMessageQueue as `messages.${Name}`]: TaskMessageQueue[Name] } & {
  [Name in keyof TaskOperations as `operations.${Name}`]: TaskOperations[Name];
} & { [Name in Exclude<keyof TaskEvents, "watch"> as `events.${Name}`]: TaskEvents[Name] };

/** A store in a process of its own. */
export class RemoteStore {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  readonly #ended: Promise<unknown[]>;
  #id = 0;

  private constructor() {
    this.#child = fork(new URL("./child.js", import.meta.url), [], { serialization: "advanced", execArgv: [] });
    this.#ended = once(this.#child, "exit");
    this.#child.on("message", ({ id, value, error }: Answer) => {
      const call = this.#pending.get(id);
      this.#pending.delete(id);
      if (error) call?.reject(revive(error));
      else call?.resolve(value);
    });
    this.#child.on("exit", () => {
      for (const { reject } of this.#pending.values()) reject(new Error("The process ended before it answered"));
    });
  }

  static start(): RemoteStore {
    return new RemoteStore();
  }

  async open({ module, argument }: RemoteDoor, options: TaskStoreOptions | undefined): Promise<void> {
    await this.#send({ kind: "open", module, argument, options });
  }

  call<Name extends keyof Methods>(method: Name, ...args: Parameters<Methods[Name]>): ReturnType<Methods[Name]> {
    return this.#send({ kind: "call", method, args }) as ReturnType<Methods[Name]>;
  }

  /**
   * Makes all calls at the given time. Other processes get the same time, so that their calls are
   * concurrent.
   */
  race(at: number, calls: RemoteCall[]): Promise<Settled[]> {
    return this.#send({ kind: "race", at, calls }) as Promise<Settled[]>;
  }

  /**
   * Disconnects from the process. Resolves to its exit code once the process has ended without
   * help.
   */
  async leave(): Promise<number | null> {
    await this.#send({ kind: "leave" });
    const [code] = await this.#ended;
    return code as number | null;
  }

  /** Sends SIGKILL, so nothing in the process runs any more. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #send(command: Command): Promise<unknown> {
    const id = ++this.#id;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    // A process that has been killed cannot receive the call. Its exit rejects the call.
    this.#child.send({ id, command }, (error) => error && reject(error));
    return quiet(promise);
  }
}

function revive({ name, message, stack, cause, ...details }: RemoteError): Error {
  const error = new Error(message, cause && { cause: revive(cause) });
  return Object.assign(error, { name, stack }, details);
}
