import {
  CLIENT_CAPABILITIES_META_KEY,
  type JSONRPCMessage,
  type MessageExtraInfo,
  type ProtocolError,
  type RequestId,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import { declaresTasks, missingTasksCapability } from "../protocol/callers.ts";
import { asProtocolError, refusal } from "../protocol/wire.ts";
import {
  acknowledgementOf,
  cancellationOf,
  farewellTo,
  honorsOthers,
  isAcknowledgement,
  type ListenMessage,
  OuterTransport,
  subscriptionOf,
} from "../sdk-seams.ts";
import { isListen, type Listen, TaskSubscription, taskIdsOf } from "./subscription.ts";

interface Open {
  subscription: TaskSubscription;
  followed: Promise<string[]>;
  /** Resolves when the acknowledgement was sent. Every other message of the subscription waits. */
  told?: Promise<void>;
}

/**
 * A transport for `serveStdio` that adds tasks to `subscriptions/listen`: to the acknowledgement of
 * the SDK, and as notifications.
 */
export class TasksTransport extends OuterTransport {
  readonly #extension: ExtensionContext;
  readonly #maxTasks: number;
  /** By the id of the `subscriptions/listen` request. */
  readonly #subscriptions = new Map<RequestId, Open>();
  /** Frees the place of a subscription, with tasks or without. */
  readonly #places = new Map<RequestId, () => void>();

  constructor(wire: Transport, extension: ExtensionContext, maxTasks: number) {
    super(wire);
    this.#extension = extension;
    this.#maxTasks = maxTasks;
  }

  protected override closed(): void {
    for (const id of [...this.#places.keys()]) this.#end(id);
  }

  override async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const { method, params, id } = message as ListenMessage & { id?: RequestId };
    // The answer to a listen ends it.
    if (method === undefined && id !== undefined) this.#end(id);
    const of = subscriptionOf(params);
    const open = of === undefined ? undefined : this.#subscriptions.get(of);
    if (open && of !== undefined && isAcknowledgement({ method })) {
      // The SDK handles nothing else until `send` returns, so it must not wait for the store.
      open.told = this.#acknowledge(of, open, params ?? {}, options).catch((error: Error) => this.onerror?.(error));
      return;
    }
    await open?.told;
    await this.wire.send(message, options);
  }

  async #acknowledge(
    id: RequestId,
    open: Open,
    params: Record<string, unknown>,
    options?: TransportSendOptions,
  ): Promise<void> {
    const acknowledgement = acknowledgementOf(await open.followed, params);
    // The client has cancelled the subscription, so nothing more may follow.
    if (this.#subscriptions.get(id) !== open) return;
    await this.wire.send(acknowledgement, options);
    open.subscription.acknowledged();
    if (!honorsOthers(params)) void open.subscription.ended.then(() => this.#finish(id, open));
  }

  protected override receive(message: JSONRPCMessage, extra?: MessageExtraInfo): void {
    const listen: unknown = message;
    const error = isListen(listen) ? this.#open(listen) : undefined;
    if (error) {
      this.#write(refusal((message as { id: RequestId }).id, error));
      return;
    }
    if ("method" in message && message.method === "notifications/cancelled")
      this.#end(message.params?.["requestId"] as RequestId);
    this.onmessage?.(message, extra);
  }

  /** Opens the subscription, or returns the error that refuses it. */
  #open(listen: Listen): ProtocolError | undefined {
    const { id, method, params } = listen;
    const taskIds = taskIdsOf(listen);
    if (taskIds && !declaresTasks(params._meta?.[CLIENT_CAPABILITIES_META_KEY]))
      return missingTasksCapability(`${method} with taskIds`);
    const owner = this.#extension.ownerOrError({});
    if (typeof owner !== "string") return owner;
    this.#end(id);
    try {
      this.#places.set(id, this.#extension.subscriptions.take(owner));
    } catch (error) {
      return asProtocolError(error);
    }
    if (!taskIds) return undefined;
    const subscription = new TaskSubscription(this.#extension, owner, id, (notification) =>
      this.#write(notification as JSONRPCMessage),
    );
    this.#subscriptions.set(id, { subscription, followed: subscription.open(taskIds.slice(0, this.#maxTasks)) });
    return undefined;
  }

  /**
   * Ends a subscription whose tasks have all ended, as the SDK does over HTTP. The SDK then forgets
   * its part.
   */
  #finish(id: RequestId, open: Open): void {
    if (this.#subscriptions.get(id) !== open) return;
    this.#end(id);
    this.#write(farewellTo(id));
    this.onmessage?.(cancellationOf(id));
  }

  #end(id: RequestId): void {
    this.#subscriptions.get(id)?.subscription.close();
    this.#subscriptions.delete(id);
    this.#places.get(id)?.();
    this.#places.delete(id);
  }

  #write(message: JSONRPCMessage): void {
    this.wire.send(message).catch((error: Error) => this.onerror?.(error));
  }
}
