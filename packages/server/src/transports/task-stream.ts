import type { RequestId } from "@modelcontextprotocol/server";
import type { ExtensionContext } from "../extension-context.ts";
import { acknowledgementOf, eventOf, eventsOf, isAcknowledgement } from "../sdk-seams.ts";
import { TaskSubscription } from "./subscription.ts";

/** The SDK's stream, with tasks in it. */
export class TaskStream {
  readonly body: ReadableStream<Uint8Array>;
  readonly #id: RequestId;
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #subscription: TaskSubscription;
  readonly #onEnd: () => void;
  readonly #done: Promise<void>;
  readonly #encoder = new TextEncoder();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Resolves when the client has read. Set while a notification waits for that. */
  #room: PromiseWithResolvers<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The event with which the SDK ended its part. */
  #farewell: string | undefined;
  #ended = false;

  constructor(
    extension: ExtensionContext,
    owner: string,
    id: RequestId,
    taskIds: readonly string[],
    source: ReadableStream<Uint8Array>,
    onEnd: () => void,
  ) {
    this.#id = id;
    this.#onEnd = onEnd;
    this.#source = source.getReader();
    this.#subscription = new TaskSubscription(extension, owner, id, (message) => {
      this.#write(eventOf(message));
      return this.#roomForMore();
    });
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#goOn(),
      cancel: () => this.end(),
    });
    this.#done = this.#pump(taskIds).catch((error: Error) => {
      extension.onError(error);
      this.end();
    });
  }

  keepAlive(ms: number): void {
    if (ms > 0) this.#timer = setInterval(() => this.#lags || this.#write(": keepalive"), ms).unref();
  }

  /** Stops following tasks, and resolves when the SDK's part of the stream has ended. */
  async close(): Promise<void> {
    this.#subscription.close();
    await this.#done;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    this.#subscription.close();
    this.#goOn();
    this.#source.cancel().catch(() => undefined);
    try {
      this.#controller.close();
    } catch {
      // The reader has gone already.
    }
    this.#onEnd();
  }

  async #pump(taskIds: readonly string[]): Promise<void> {
    const followed = this.#subscription.open(taskIds);
    for await (const { text, message } of eventsOf(this.#source)) {
      if (message && isAcknowledgement(message)) {
        this.#write(eventOf(acknowledgementOf(await followed, message.params)));
        this.#subscription.acknowledged();
      } else if (message?.result !== undefined && message.id === this.#id) this.#farewell = text;
      else this.#write(text);
    }
    // The SDK has ended its part, because it follows nothing else or was closed. Tasks may still
    // change.
    if (this.#farewell !== undefined) {
      await this.#subscription.ended;
      this.#write(this.#farewell);
    }
    this.end();
  }

  /**
   * Waits for a client that lags to read. Changes during the wait become one notification, so that
   * nothing piles up here.
   */
  async #roomForMore(): Promise<void> {
    if (this.#ended || !this.#lags) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  #goOn(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  get #lags(): boolean {
    return (this.#controller.desiredSize ?? 1) <= 0;
  }

  #write(event: string): void {
    if (!this.#ended) this.#controller.enqueue(this.#encoder.encode(`${event}\n\n`));
  }
}
