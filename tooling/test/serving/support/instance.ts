import type { TaskStore } from "@mcp-task-store/core";
import { TasksExtension, type TasksExtensionOptions } from "@mcp-task-store/server";
import {
  type AuthInfo,
  type CallToolResult,
  type CreateMcpHandlerOptions,
  type McpHttpHandler,
  McpServer,
} from "@modelcontextprotocol/server";
import { Peer } from "./rpc.ts";

export type Register = (tasks: TasksExtension, server: McpServer) => void;

export interface Instance extends AsyncDisposable {
  readonly tasks: TasksExtension;
  readonly handler: McpHttpHandler;
  /** The errors given to `onError`. The disposal fails if any is left. */
  readonly errors: Error[];
  newServer(): McpServer;
  /** A client authenticated as this user, or an unauthenticated one. */
  peer(user?: string): Peer;
}

export type InstanceOptions = Partial<TasksExtensionOptions> & { http?: CreateMcpHandlerOptions; legacy?: "stateless" };

/** A server like an application's, without the network. */
export function instance(store: TaskStore, register: Register, options: InstanceOptions = {}): Instance {
  const errors: Error[] = [];
  const { http, ...own } = options;
  const tasks = new TasksExtension({ store, onError: (error) => errors.push(error), ...own });
  const newServer = () => {
    const server = new McpServer({ name: "test", version: "1.0.0" });
    tasks.attach(server);
    register(tasks, server);
    return server;
  };
  const handler = tasks.createMcpHandler(newServer, http);
  return {
    tasks,
    handler,
    errors,
    newServer,
    peer: (user) =>
      new Peer("http://127.0.0.1/mcp", (request) =>
        handler.fetch(request, user === undefined ? {} : { authInfo: authInfoOf(user) }),
      ),
    async [Symbol.asyncDispose]() {
      await handler.close();
      await tasks.close();
      if (errors.length > 0) throw new AggregateError(errors, "The extension reported failures");
    },
  };
}

export function authInfoOf(user: string): AuthInfo {
  return { token: `token of ${user}`, clientId: "client", scopes: [], extra: { sub: user } };
}

export const text = (said: string): CallToolResult => ({ content: [{ type: "text", text: said }] });

export const FORM = {
  mode: "form",
  message: "Your name?",
  requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
};

/** A point in a tool where it waits for the test. */
export class Gate<Given = void> {
  readonly #reached = Promise.withResolvers<void>();
  readonly #open = Promise.withResolvers<Given>();
  /** The number of passes. */
  passed = 0;

  /** Resolves when the tool has reached the gate. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  open(given: Given): void {
    this.#open.resolve(given);
  }

  /** The tool waits here. Its signal ends the wait. */
  async pass(signal?: AbortSignal): Promise<Given> {
    this.passed += 1;
    this.#reached.resolve();
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    if (signal?.aborted) throw signal.reason;
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    return Promise.race([this.#open.promise, promise]);
  }
}
