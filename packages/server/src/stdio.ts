import {
  CLIENT_CAPABILITIES_META_KEY,
  type JSONRPCMessage,
  type MessageExtraInfo,
  type ProtocolError,
  type RequestId,
  SUBSCRIPTION_ID_META_KEY,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";
import { declaresTasks, missingTasksCapability } from "./callers.ts";
import type { Shared } from "./shared.ts";
import { type Listen, TaskSubscription, taskIdsOf } from "./subscription.ts";
import { refusal } from "./wire.ts";

interface Open {
  subscription: TaskSubscription;
  followed: Promise<string[]>;
  /** When the acknowledgement is out, which comes before all else. */
  told?: Promise<void>;
}

/** A transport for `serveStdio`, whose `subscriptions/listen` does not know tasks: adds them to its acknowledgement, and tells of them. */
export class TasksTransport implements Transport {
  onmessage?: Transport["onmessage"];
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #wire: Transport;
  readonly #shared: Shared;
  readonly #maxTasks: number;
  /** By the id of the request that asked for them. */
  readonly #subscriptions = new Map<RequestId, Open>();

  constructor(wire: Transport, shared: Shared, maxTasks: number) {
    this.#wire = wire;
    this.#shared = shared;
    this.#maxTasks = maxTasks;
  }

  async start(): Promise<void> {
    this.#wire.onmessage = (message, extra) => this.#receive(message, extra);
    this.#wire.onerror = (error) => this.onerror?.(error);
    this.#wire.onclose = () => {
      for (const id of [...this.#subscriptions.keys()]) this.#end(id);
      this.onclose?.();
    };
    await this.#wire.start();
  }

  close(): Promise<void> {
    return this.#wire.close();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const { method, params, id } = message as { method?: string; params?: Record<string, unknown>; id?: RequestId };
    // The answer to a listen is its end.
    if (method === undefined && id !== undefined) this.#end(id);
    const of = (params?.["_meta"] as Record<string, RequestId> | undefined)?.[SUBSCRIPTION_ID_META_KEY];
    const open = of === undefined ? undefined : this.#subscriptions.get(of);
    if (method === "notifications/subscriptions/acknowledged" && open && of !== undefined) {
      // The SDK handles nothing else until this is sent: it must not wait for the store.
      open.told = this.#acknowledge(of, open, params ?? {}, options).catch((error: Error) => this.onerror?.(error));
      return;
    }
    await open?.told;
    await this.#wire.send(message, options);
  }

  async #acknowledge(
    id: RequestId,
    open: Open,
    params: Record<string, unknown>,
    options?: TransportSendOptions,
  ): Promise<void> {
    const honored = params["notifications"] as object;
    const notifications = { ...honored, taskIds: await open.followed };
    // Cancelled meanwhile: nothing more may come for it.
    if (this.#subscriptions.get(id) !== open) return;
    const method = "notifications/subscriptions/acknowledged";
    await this.#wire.send({ jsonrpc: "2.0", method, params: { ...params, notifications } }, options);
    open.subscription.acknowledged();
    if (Object.keys(honored).length === 0) void open.subscription.ended.then(() => this.#finish(id, open));
  }

  #receive(message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    const taskIds = "id" in message ? taskIdsOf(message) : undefined;
    if (taskIds) {
      const { id, params } = message as Listen;
      const error = this.#open(id, params, taskIds);
      if (error) {
        this.#write(refusal(id, error));
        return;
      }
    }
    if ("method" in message && message.method === "notifications/cancelled")
      this.#end(message.params?.["requestId"] as RequestId);
    this.onmessage?.(message, extra);
  }

  /** Returns why not, if so. */
  #open(id: RequestId, { _meta }: Listen["params"], taskIds: string[]): ProtocolError | undefined {
    if (!declaresTasks(_meta?.[CLIENT_CAPABILITIES_META_KEY])) return missingTasksCapability();
    const owner = this.#shared.ownerOrError({});
    if (typeof owner !== "string") return owner;
    this.#end(id);
    const subscription = new TaskSubscription(this.#shared, owner, id, (notification) =>
      this.#write(notification as JSONRPCMessage),
    );
    this.#subscriptions.set(id, { subscription, followed: subscription.open(taskIds.slice(0, this.#maxTasks)) });
    return undefined;
  }

  /** There is nothing more to tell: says so, as the SDK does over HTTP, and has it forget its part. */
  #finish(id: RequestId, open: Open): void {
    if (this.#subscriptions.get(id) !== open) return;
    this.#end(id);
    this.#write({ jsonrpc: "2.0", id, result: { resultType: "complete", _meta: { [SUBSCRIPTION_ID_META_KEY]: id } } });
    this.onmessage?.({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: id } });
  }

  #end(id: RequestId): void {
    this.#subscriptions.get(id)?.subscription.close();
    this.#subscriptions.delete(id);
  }

  #write(message: JSONRPCMessage): void {
    this.#wire.send(message).catch((error: Error) => this.onerror?.(error));
  }
}
