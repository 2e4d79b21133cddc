import { SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";

export interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number };
}

/** The messages of a `subscriptions/listen` stream, in order. */
export class Stream {
  readonly id: number;
  /** Comments received so far. */
  readonly comments: string[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #frames: string[] = [];
  #rest = "";

  constructor(response: Response, id: number) {
    const type = response.headers.get("content-type");
    if (!response.body || !type?.startsWith("text/event-stream")) throw new Error(`Expected a stream, got ${type}`);
    this.id = id;
    this.#reader = response.body.getReader();
  }

  /** The next message, or `undefined` at the end of the stream. */
  async next(): Promise<Message | undefined> {
    for (;;) {
      const frame = await this.frame();
      if (frame === undefined) return undefined;
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data !== undefined) return JSON.parse(data) as Message;
    }
  }

  /** The next message or comment, as text. */
  async frame(): Promise<string | undefined> {
    while (this.#frames.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      const frames = (this.#rest + this.#decoder.decode(value, { stream: true })).split("\n\n");
      this.#rest = frames.pop() ?? "";
      this.#frames = frames;
    }
    const frame = this.#frames.shift() as string;
    if (frame.startsWith(":")) this.comments.push(frame);
    return frame;
  }

  /** The acknowledged ids. The acknowledgement must come first. */
  async acknowledged(): Promise<string[]> {
    const message = await this.next();
    if (message?.method !== "notifications/subscriptions/acknowledged")
      throw new Error(`Expected an acknowledgement, got ${JSON.stringify(message)}`);
    this.#check(message);
    const { notifications } = message.params as { notifications: { taskIds: string[] } };
    return notifications.taskIds;
  }

  /** The next state of a task that passes the test. Quick changes may be merged into one state. */
  async state(test: (task: Record<string, unknown>) => boolean = () => true): Promise<Record<string, unknown>> {
    for (;;) {
      const message = await this.next();
      if (message?.method !== "notifications/tasks")
        throw new Error(`Expected a task, got ${JSON.stringify(message) ?? "the end"}`);
      this.#check(message);
      const { _meta, ...task } = message.params as Record<string, unknown>;
      if (test(task)) return task;
    }
  }

  /** Whether the stream announces its end now, and ends. */
  async endsGracefully(): Promise<boolean> {
    const message = await this.next();
    if (message === undefined) return false;
    const { id, result } = message;
    if (!result || id !== this.id) throw new Error(`Expected the end, got ${JSON.stringify(message)}`);
    return (await this.next()) === undefined;
  }

  /** Disconnects without a message. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }

  #check({ params }: Message): void {
    const id = (params?.["_meta"] as Record<string, unknown> | undefined)?.[SUBSCRIPTION_ID_META_KEY];
    if (id !== this.id) throw new Error(`Expected the subscription ${this.id}, got ${JSON.stringify(id)}`);
  }
}
