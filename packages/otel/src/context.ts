import type { Meta, Request } from "@mcp-task-store/core";
import {
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  propagation,
  type Span,
  type SpanContext,
  type TextMapGetter,
  trace,
} from "@opentelemetry/api";

// The context of a trace, in the `_meta` of a request and in this process.

const getter: TextMapGetter<Meta> = {
  keys: (meta) => Object.keys(meta),
  get: (meta, key) => {
    const value = meta[key];
    return typeof value === "string" ? value : undefined;
  },
};

function metaOf(request: Request | undefined): Meta {
  const meta = request?.params?._meta;
  return typeof meta === "object" && meta !== null ? meta : {};
}

/** The base with the context that the request brings, or the base itself. */
export function extracted(base: Context, request: Request | undefined): Context {
  return propagation.extract(base, metaOf(request), getter);
}

/** A new request with this context in its `_meta`. The given one is the caller's. */
export function injected<Given extends Request | undefined>(request: Given, from: Context): Given {
  if (typeof request !== "object" || request === null || (request.params && typeof request.params !== "object"))
    return request;
  const carrier: Record<string, string> = {};
  propagation.inject(from, carrier);
  if (Object.keys(carrier).length === 0) return request;
  return { ...request, params: { ...request.params, _meta: { ...metaOf(request), ...carrier } } };
}

/** The W3C form of a span, which does not depend on the global propagator. */
export function toTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** The span that `toTraceparent` wrote, in any process. */
export function fromTraceparent(traceparent: string | undefined): SpanContext | undefined {
  const [, traceId = "", spanId = "", flags = ""] = traceparent?.split("-") ?? [];
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(found) ? found : undefined;
}

/** The span that is active here, if it belongs to a trace. */
export function activeSpan(): Span | undefined {
  const span = trace.getActiveSpan();
  return span && isSpanContextValid(span.spanContext()) ? span : undefined;
}

/** What OpenTelemetry's SDK looks for before it makes a span. The text makes the key the same. */
const SUPPRESSED = createContextKey("OpenTelemetry SDK Context Key SUPPRESS_TRACING");

/** Runs without spans, those of drivers included. */
export function suppressed<T>(run: () => T): T {
  return context.with(context.active().setValue(SUPPRESSED, true), run);
}
