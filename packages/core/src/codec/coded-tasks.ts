import type { StoredEvent } from "../backend/event-backend.ts";
import { stepText } from "../backend/rewrites.ts";
import { HISTORY_LENGTH } from "../backend/rules.ts";
import type { PayloadField, StoredTask } from "../backend/stored-task.ts";
import type { NewTask, Patch, RestoredTask, Step } from "../backend/task-backend.ts";
import { isCoded, unreadableText } from "../contract/json.ts";
import type { Codec } from "./codec.ts";
import { decodedError, withErrors } from "./history.ts";

/** The fields of a patch that are payloads by themselves. */
const PATCHED = ["statusMessage", "inputs", "checkpoint", "outcome"] as const;

/** Whose task it is, for payloads that are written. */
interface Whose {
  readonly taskId: string;
  readonly owner: string | null;
}

type ReadAgain = (taskId: string, field: PayloadField) => Promise<string | null | undefined>;

/** Changes the payloads in all that a backend takes and gives. */
export class CodedTasks {
  readonly codec: Codec;
  readonly #readAgain: ReadAgain | undefined;

  /** @param readAgain Reads a stored payload that may have been replaced. */
  constructor(codec: Codec, readAgain?: ReadAgain) {
    this.codec = codec;
    this.#readAgain = readAgain;
  }

  async newTask(task: NewTask): Promise<NewTask> {
    return { ...task, request: await this.#encode(task.request, task, "request") };
  }

  /** Whether the patch has a payload. */
  patches(patch: Patch): boolean {
    return (
      patch.step !== undefined ||
      PATCHED.some((field) => patch[field] !== undefined) ||
      patch.history?.includes('"error":') === true
    );
  }

  async patch(patch: Patch, whose: Whose): Promise<Patch> {
    const coded: { -readonly [Field in keyof Patch]: Patch[Field] } = { ...patch };
    await Promise.all([
      ...PATCHED.map(async (field) => {
        const text = patch[field];
        if (text !== undefined) coded[field] = await this.#encode(text, whose, field);
      }),
      this.#step(patch.step, whose).then((step) => {
        if (step) coded.step = step;
      }),
      this.#history(patch.history, whose).then((history) => {
        if (history !== undefined) coded.history = history;
      }),
    ]);
    return coded;
  }

  message(message: string, whose: Whose): Promise<string> {
    return this.#encode(message, whose, "message");
  }

  async restored(task: RestoredTask): Promise<RestoredTask> {
    const coded: { -readonly [Field in keyof RestoredTask]: RestoredTask[Field] } = { ...task };
    coded.request = await this.#encode(task.request, task, "request");
    for (const field of PATCHED) {
      const text = task[field];
      if (text !== null) coded[field] = await this.#encode(text, task, field);
    }
    coded.history = (await this.#history(task.history, task))?.slice(-HISTORY_LENGTH) ?? null;
    coded.steps = await Promise.all(task.steps.map(async (step) => (await this.#step(step, task)) as Step));
    coded.messages = await Promise.all(
      task.messages.map(async ({ message, expiresAt }) => ({ message: await this.message(message, task), expiresAt })),
    );
    return coded;
  }

  /** The tasks, which were read with these payloads. Returns at once if there is nothing to do. */
  tasks<Tasks extends readonly StoredTask[]>(
    tasks: Tasks,
    payloads: readonly PayloadField[],
  ): Tasks | Promise<StoredTask[]> {
    if (payloads.length === 0 && tasks.every(({ statusMessage }) => !isCoded(statusMessage))) return tasks;
    return Promise.all(tasks.map((task) => this.#task(task, payloads)));
  }

  /** The task, which was read with these payloads. Returns at once if there is nothing to do. */
  task<Task extends StoredTask | undefined>(task: Task, payloads: readonly PayloadField[]): Task | Promise<StoredTask> {
    if (!task || (payloads.length === 0 && !isCoded(task.statusMessage))) return task;
    return this.#task(task, payloads);
  }

  async messages(taskId: string, messages: readonly string[]): Promise<string[]> {
    return Promise.all(messages.map((message) => this.codec.decode(message, { taskId, field: "message" })));
  }

  async steps<Found extends Step & { taskId: string }>(steps: readonly Found[]): Promise<Found[]> {
    return Promise.all(
      steps.map(async (step) => {
        const place = { taskId: step.taskId, field: stepText(step.name) };
        return { ...step, body: await this.codec.decode(step.body, place) };
      }),
    );
  }

  async events(events: readonly StoredEvent[]): Promise<StoredEvent[]> {
    return Promise.all(
      events.map(async (event) => ({
        ...event,
        statusMessage: await this.#statusMessage(event),
      })),
    );
  }

  #encode(text: string, { taskId, owner }: Whose, field: string): Promise<string> {
    return this.codec.encode(text, { taskId, field, owner: owner ?? undefined });
  }

  async #step(step: Step | undefined, whose: Whose): Promise<Step | undefined> {
    return step && { name: step.name, body: await this.#encode(step.body, whose, stepText(step.name)) };
  }

  async #history(history: string | null | undefined, whose: Whose): Promise<string | undefined> {
    if (history == null) return undefined;
    return withErrors(history, async (error) => `"${await this.#encode(error, whose, "history")}"`);
  }

  async #task(task: StoredTask, payloads: readonly PayloadField[]): Promise<StoredTask> {
    const { taskId } = task;
    const changed: { -readonly [Field in PayloadField | "statusMessage"]?: string | null } = {};
    const read = async (field: PayloadField) => {
      const stored = task[field];
      const decode = (text: string) => this.codec.decode(text, { taskId, field });
      if (field !== "history") {
        if (isCoded(stored)) changed[field] = await this.#payload(taskId, field, stored);
      } else if (stored) changed.history = await withErrors(stored, (error) => decodedError(error, decode));
    };
    await Promise.all(payloads.map(read));
    if (isCoded(task.statusMessage)) changed.statusMessage = await this.#statusMessage(task);
    return { ...task, ...changed } as StoredTask;
  }

  /** What it refers to is gone if the payload was replaced after it was read. */
  async #payload(taskId: string, field: PayloadField, stored: string): Promise<string | null> {
    const text = await this.codec.decode(stored, { taskId, field });
    if (!isCoded(text)) return text;
    const now = await this.#readAgain?.(taskId, field);
    if (now === undefined || now === stored) return text;
    return isCoded(now) ? this.#payload(taskId, field, now) : now;
  }

  /** It comes with every task, so that no failure of a key may fail the read, or a write. */
  async #statusMessage({ taskId, statusMessage }: Pick<StoredTask, "taskId" | "statusMessage">) {
    if (!isCoded(statusMessage)) return statusMessage;
    try {
      return await this.codec.decode(statusMessage, { taskId, field: "statusMessage" });
    } catch (error) {
      return unreadableText((error as Error).message);
    }
  }
}
