import { AsyncLocalStorage } from "node:async_hooks";
import type { LostMessage, RunOutcome, TraceMessage } from "@mcp-task-store/core";
import { isTaskStoreError } from "@mcp-task-store/core";
import {
  type Context,
  context,
  type Link,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { type End, surround, watched } from "./around.ts";
import { activeSpan, extracted, fromTraceparent, injected, suppressed, toTraceparent } from "./context.ts";
import type { Meters } from "./meters.ts";
import {
  ATTEMPT,
  attributesOf,
  ERROR_TYPE,
  errorType,
  MESSAGE_ID,
  SCOPE,
  STORED,
  settles,
  TASK_STATUS,
} from "./names.ts";

interface KnownRun {
  readonly taskId: string;
  readonly name: string | undefined;
  readonly attempt: number;
  readonly span: Span;
  /** It has ended without storing an outcome. */
  over: boolean;
}

/** Tasks of which the last run in this process is known. */
const MOST_KNOWN = 1000;

/** Makes spans of operations, and measures them. Each method is called at an operation's start. */
export class Spans {
  readonly #provider: TracerProvider;
  readonly #meters: Meters;
  /** The run that the code here belongs to. It works without a context manager, for metrics. */
  readonly #here = new AsyncLocalStorage<KnownRun>();
  /** The last run of each task that has no outcome. */
  readonly #lastRuns = new Map<string, KnownRun>();

  constructor(provider: TracerProvider, meters: Meters) {
    this.#provider = provider;
    this.#meters = meters;
  }

  /** The span of a new task. Its context goes into the request, for the process that runs it. */
  create(message: TraceMessage): void {
    const { name, taskId, request } = message;
    const here = activeSpan();
    const client = extracted(context.active(), request);
    const parent = here ? context.active() : client;
    const attributes = attributesOf("send", name);
    const links = here ? linksTo(trace.getSpanContext(client), here) : [];
    const span = this.#start(`send ${name}`, { kind: SpanKind.PRODUCER, attributes, links }, parent, taskId);
    message.request = injected(request, trace.setSpan(parent, span));
    const record = this.#meters.operation(attributes);
    this.#surround(message, span, parent, (end) => {
      const id = "result" in end ? (end.result as { taskId?: string } | undefined)?.taskId : undefined;
      if (id !== undefined) span.setAttribute(MESSAGE_ID, id);
      const failed = fail(span, end);
      record(failed);
      this.#meters.sent(attributes, failed);
    });
  }

  /** The span of a run, under the span of the call that made the task. */
  run(message: TraceMessage): void {
    const { name, taskId = "", attempt = 1, request } = message;
    const parent = extracted(context.active(), request);
    const attributes = attributesOf("process", name);
    const former = this.#lastRuns.get(taskId)?.span.spanContext() ?? fromTraceparent(message.formerTrace);
    const options = {
      kind: SpanKind.CONSUMER,
      attributes: { ...attributes, [ATTEMPT]: attempt },
      links: former ? [{ context: former }] : [],
    };
    const span = this.#start(`process ${name}`, options, parent, taskId);
    if (span.isRecording()) message.traceparent = toTraceparent(span.spanContext());
    if (attempt > 1) span.addEvent("task.taken_over", { [ATTEMPT]: attempt });
    const own: KnownRun = { taskId, name, attempt, span, over: false };
    this.#remember(own);
    this.#meters.consumed(attributes);
    const record = this.#meters.process(attributes);
    this.#surround(message, span, parent, (end) => {
      const outcome = "result" in end ? (end.result as RunOutcome) : undefined;
      if (outcome?.status !== undefined) span.setAttribute(TASK_STATUS, outcome.status);
      if (outcome) span.setAttribute(STORED, outcome.stored);
      record(outcome ? failRun(span, outcome) : fail(span, end));
      own.over = true;
      if (outcome?.stored && this.#lastRuns.get(taskId) === own) this.#lastRuns.delete(taskId);
    });
    surround(message, (run) => this.#here.run(own, run));
  }

  /** Writes, waits, questions and answers: spans of a trace that has begun, and of no other. */
  call(message: TraceMessage): void {
    const { method, taskId = "" } = message;
    const running = this.#runOf(taskId);
    const here = activeSpan();
    // This wait lasts as long as the run, which has a span.
    if (method === "waitForTask" && running && here === running.span) return;
    const attributes = attributesOf(method, running?.name);
    const record = settles(method) ? this.#meters.operation(attributes) : undefined;
    const tool = running?.name === undefined ? "" : ` ${running.name}`;
    const parent = context.active();
    const span = here && this.#start(`${method}${tool}`, { kind: SpanKind.CLIENT, attributes }, parent, taskId);
    const ended = (end: End) => {
      record?.(failureOf(end));
      if (span) fail(span, end);
      if ("error" in end) return;
      if (method === "requestInputs") running?.span.addEvent("task.question");
      if (method === "awaitInput") running?.span.addEvent("task.answer");
    };
    if (span) this.#surround(message, span, parent, ended);
    else if (record || running) surround(message, (run) => watched(run, ended));
  }

  /** A claim has no span: most find nothing. Outside a trace, its statements have none either. */
  claim(message: TraceMessage): void {
    const { names } = message;
    const record = this.#meters.operation(attributesOf("receive", names?.length === 1 ? names[0] : undefined));
    const inside = trace.getActiveSpan()?.isRecording() ? <T>(run: () => T) => run() : suppressed;
    surround(message, (run) =>
      watched(
        () => inside(run),
        (end) => {
          if ("error" in end || (Array.isArray(end.result) ? end.result.length > 0 : end.result))
            record(failureOf(end));
        },
      ),
    );
  }

  /** Heartbeats would fill the trace of a long run. */
  lease(message: TraceMessage): void {
    if (message.method === "renewLease") surround(message, suppressed);
  }

  sweep(message: TraceMessage): void {
    if (!trace.getActiveSpan()?.isRecording()) surround(message, suppressed);
  }

  lost({ taskId, attempt }: LostMessage): void {
    const run = this.#runOf(taskId);
    if (run?.attempt === attempt) run.span.addEvent("task.lease_lost", { [ATTEMPT]: attempt });
  }

  /**
   * The run of this task that the code here belongs to, otherwise the one of this process: a server
   * may have begun the handler before there was a task.
   */
  #runOf(taskId: string): KnownRun | undefined {
    const here = this.#here.getStore();
    const run = here?.taskId === taskId ? here : this.#lastRuns.get(taskId);
    return run?.over ? undefined : run;
  }

  #start(name: string, options: SpanOptions, parent: Context, taskId: string | undefined): Span {
    // Asked each time: the global provider may be set later, by another copy of the API.
    const span = this.#provider.getTracer(SCOPE).startSpan(name, options, parent);
    return taskId === undefined || taskId === "" ? span : span.setAttribute(MESSAGE_ID, taskId);
  }

  /** The operation runs inside the span's context, so that spans of drivers are under it. */
  #surround(message: TraceMessage, span: Span, parent: Context, ended: (end: End) => void): void {
    const inside = trace.setSpan(parent, span);
    surround(message, (run) =>
      watched(
        () => context.with(inside, run),
        (end) => {
          ended(end);
          span.end();
        },
      ),
    );
  }

  #remember(run: KnownRun): void {
    this.#lastRuns.delete(run.taskId);
    this.#lastRuns.set(run.taskId, run);
    const [oldest] = this.#lastRuns.keys();
    if (this.#lastRuns.size > MOST_KNOWN && oldest !== undefined) this.#lastRuns.delete(oldest);
  }
}

/** A link to the client's span, if the client began a trace of its own. */
function linksTo(client: SpanContext | undefined, here: Span): Link[] {
  return client && client.traceId !== here.spanContext().traceId ? [{ context: client }] : [];
}

/** The kind of the failure. A wait that its caller aborts did not fail. */
function failureOf(end: End): string | undefined {
  if (!("error" in end)) return undefined;
  const type = errorType(end.error);
  return type === "AbortError" ? undefined : type;
}

function fail(span: Span, end: End): string | undefined {
  const type = failureOf(end);
  return type === undefined ? undefined : mark(span, type, (end as { error: unknown }).error);
}

/** A run that was cancelled, or stopped so that another goes on, did not fail. */
function failRun(span: Span, outcome: RunOutcome): string | undefined {
  const { stored, status, error, reason } = outcome;
  if (stored && status === "completed") return undefined;
  if (stored) return error === undefined ? mark(span, "tool_error") : mark(span, errorType(error), error);
  // A run that sleeps did not fail. One that will be repeated did.
  if (isTaskStoreError(reason, "TASK_GIVEN_BACK"))
    return error === undefined || error === reason ? undefined : mark(span, errorType(error), error);
  const lost = isTaskStoreError(reason) && reason.code !== "TASK_TERMINAL";
  return lost || status === "failed" ? mark(span, errorType(reason), reason) : undefined;
}

function mark(span: Span, type: string, error?: unknown): string {
  span.setAttribute(ERROR_TYPE, type);
  if (error instanceof Error) span.recordException(error);
  span.setStatus({ code: SpanStatusCode.ERROR });
  return type;
}
