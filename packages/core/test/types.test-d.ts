import {
  type CreateMessageResult,
  type ElicitResult,
  type Result,
  type RunOutcome,
  runTask,
  type SamplingContent,
  startWorker,
  type TaskContext,
  type TaskHandler,
  type TaskStore,
} from "@mcp-task-store/core";

// Checked by the compiler, never run.

/** Compiles if the value is assignable to `Expected`. */
declare function expectType<Expected>(value: Expected): void;
/** Compiles if the types are the same. */
declare function expectSame<A, B>(
  ..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
): void;

declare const store: TaskStore;

// A handler declares its checkpoint and its context.
const render: TaskHandler<{ done: number }, { frames: number }> = async (task) => {
  expectSame<typeof task.checkpoint, { done: number } | undefined>();
  expectType<number>(task.context.frames);
  await task.progress("half", { done: 1 });
  // @ts-expect-error Another checkpoint.
  await task.progress("half", { page: 1 });
  return {};
};
void runTask(store, "id", render);
void runTask(store, "id", async (task: TaskContext<number>) => ({ next: (task.checkpoint ?? 0) + 1 }));
void runTask<{ done: number }>(store, "id", ({ checkpoint }) => ({ done: checkpoint?.done ?? 0 }));

// A handler without type parameters gets `unknown`.
void runTask(store, "id", (task) => {
  expectSame<typeof task.checkpoint, unknown>();
  expectSame<typeof task.context, Record<string, unknown> | undefined>();
  return {};
});

// Handlers of several types stand side by side, with options or without.
startWorker(store, {
  render,
  frame: { handler: (task: TaskContext<number>) => ({ next: task.checkpoint }), timeoutMs: 1000, onLost: "fail" },
  plain: (task) => {
    expectSame<typeof task.checkpoint, unknown>();
    return {};
  },
  inline: {
    handler: async ({ signal }) => {
      signal.throwIfAborted();
      return {};
    },
  },
});
startWorker(store, new Map([["render", render]]));
startWorker(
  store,
  { render: { handler: render, concurrency: { running: 10, runningPerOwner: 2 } } },
  { concurrency: 4 },
);
// @ts-expect-error The worker's own option is a number, and a handler's has limits.
startWorker(store, { render: { handler: render, concurrency: 4 } });
store.claimTasks({ names: ["render"], limit: 3, concurrency: { render: { running: 10 } } });
// @ts-expect-error No such limit.
store.claimTask({ names: ["render"], concurrency: { render: { perOwner: 10 } } });
// @ts-expect-error There is no such value.
startWorker(store, { render: { handler: render, onLost: "retry" } });
// @ts-expect-error A misspelt option.
startWorker(store, { render: { handler: render, timeOutMs: 5 } });

// `stored` and `status` narrow the other fields of an outcome.
function told(outcome: RunOutcome): string {
  if (!outcome.stored) {
    expectType<unknown>(outcome.reason);
    // @ts-expect-error It may never have been seen.
    expectType<string>(outcome.status);
    return String(outcome.status);
  }
  expectSame<typeof outcome.status, "completed" | "failed">();
  if (outcome.status === "failed") return String(outcome.error ?? outcome.result);
  expectType<Result>(outcome.result);
  return outcome.status;
}
void runTask(store, "id", render).then(told);

// An answer has the types of its form.
export async function ask(task: TaskContext): Promise<void> {
  const { action, content } = await task.elicit({
    message: "How should it look?",
    requestedSchema: {
      type: "object",
      properties: {
        frames: { type: "integer", minimum: 1 },
        scale: { type: "number" },
        name: { type: "string", format: "email" },
        draft: { type: "boolean" },
        quality: { type: "string", enum: ["low", "high"] },
        theme: { type: "string", oneOf: [{ const: "dark", title: "Dark" }] },
        tags: { type: "array", items: { type: "string", enum: ["a", "b"] } },
      },
      required: ["frames", "quality"],
    },
  });
  expectSame<typeof action, "accept" | "decline" | "cancel">();
  if (!content) return;
  expectSame<typeof content.frames, number>();
  expectSame<typeof content.scale, number | undefined>();
  expectSame<typeof content.name, string | undefined>();
  expectSame<typeof content.draft, boolean | undefined>();
  expectSame<typeof content.quality, "low" | "high">();
  expectSame<typeof content.theme, "dark" | undefined>();
  expectSame<typeof content.tags, string[] | undefined>();
  // @ts-expect-error The form has no such field.
  content.size;

  const form = { message: "?", requestedSchema: { type: "object", properties: { n: { type: "number" } } } } as const;
  expectSame<Awaited<ReturnType<typeof task.elicit<typeof form>>>["action"], "accept" | "decline" | "cancel">();
  const kept = await task.elicit(form);
  expectType<number | undefined>(kept.content?.n);

  // A form without literal types has answers of unknown types.
  const wide = { message: "?", requestedSchema: { type: "object", properties: { n: { type: "number" } } } };
  expectType<unknown>((await task.elicit(wide)).content?.n);
  expectType<ElicitResult>(
    await task.elicit({ message: "Go there", mode: "url", url: "https://a", elicitationId: "1" }),
  );
  // @ts-expect-error A question has a message.
  void task.elicit({});

  const sampled = await task.sample({
    messages: [{ role: "user", content: { type: "text", text: "A number?" } }],
    maxTokens: 10,
    systemPrompt: "Be brief",
  });
  expectType<CreateMessageResult>(sampled);
  for (const block of [sampled.content].flat()) {
    expectType<SamplingContent>(block);
    if (block.type === "text") expectType<string>(block.text);
  }
  // @ts-expect-error A model needs messages.
  void task.sample({ maxTokens: 10 });
}

export async function once(task: TaskContext): Promise<void> {
  const made = await store.createTask({ name: "charge", dedupeKey: "17" });
  expectSame<typeof made.created, boolean>();
  // @ts-expect-error Only a creation that may be repeated says whether it made the task.
  (await store.createTask({ name: "charge" })).created;

  const charge = await task.step("charge", async ({ idempotencyKey, attempt, signal }) => {
    expectSame<[typeof idempotencyKey, typeof attempt, typeof signal], [string, number, AbortSignal]>();
    return { id: 7 };
  });
  expectSame<typeof charge, { id: number }>();
  expectSame<Awaited<ReturnType<typeof task.sleep>>, void>();
  await task.step("note", () => undefined, { retry: { limit: 2 }, timeoutMs: 1000 });
  // @ts-expect-error A step has a name.
  void task.step(() => 1);
  // @ts-expect-error There is no such option.
  void task.step("a", () => 1, { retries: 3 });

  startWorker(store, {
    charge: { handler: () => ({}), retry: { limit: 5, when: (error) => error instanceof TypeError } },
  });
}
