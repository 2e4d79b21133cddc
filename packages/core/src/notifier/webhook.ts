import { createHmac } from "node:crypto";
import type { LookupAddress } from "node:dns";
import type { ClientRequest, RequestOptions } from "node:http";
import { isIP } from "node:net";
import { invalid } from "../contract/errors.ts";
import type { DeliveredEvent } from "../contract/events.ts";
import { checkOptions, checks, type OptionCheck, type OptionTable } from "../contract/option-checks.ts";
import { deadline, onAbort, timedOut } from "../process/aborts.ts";
import { DeliveryError } from "./delivery-error.ts";
import type { Deliver } from "./options.ts";
import { isPrivateAddress } from "./private-addresses.ts";

export interface WebhookOptions {
  /** Where events go, by POST. Redirects are not followed. */
  url: string;
  /**
   * The key of the signatures: `whsec_` and 24 to 64 bytes in base64. Several sign each event with
   * each of them, so that the receiver can change from one to the next.
   * @see Standard Webhooks, "Signature scheme"
   */
  secret: string | readonly string[];
  /**
   * Whether the URL may lead to private, loopback and link-local addresses. Otherwise such a
   * delivery fails before anything is sent, whatever the name resolves to by then.
   * @default false
   */
  allowPrivate?: boolean | undefined;
  /**
   * Whether the URL may begin with `http:`, so that anybody on the way can read the events.
   * @default false
   */
  allowHttp?: boolean | undefined;
  /** Further headers, for instance `authorization`. */
  headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Milliseconds until the receiver has to answer. The notifier's own `timeoutMs` holds as well.
   * @default 15_000
   */
  timeoutMs?: number | undefined;
}

/** The body of a webhook. `webhook-id` is the event's id. */
export interface WebhookBody {
  /** `task.` and the kind of the event. */
  type: `task.${DeliveredEvent["kind"]}`;
  /** When the change was made. ISO 8601, UTC. */
  timestamp: string;
  data: DeliveredEvent["task"];
}

const PREFIX = "whsec_";

const secretCheck: OptionCheck = (value) => {
  const all = Array.isArray(value) ? value : [value];
  return all.length > 0 && all.every((secret) => keyOf(secret) !== undefined)
    ? undefined
    : `"${PREFIX}" and 24 to 64 bytes in base64, or an array of such texts`;
};

const headersCheck: OptionCheck = (value) =>
  checks.object(value) === undefined && Object.values(value as object).every((each) => typeof each === "string")
    ? undefined
    : "an object whose values are strings";

const OPTIONS: OptionTable<WebhookOptions> = {
  url: checks.text,
  secret: secretCheck,
  allowPrivate: checks.flag,
  allowHttp: checks.flag,
  headers: headersCheck,
  timeoutMs: checks.milliseconds(1),
};

/** Most bytes of an answer that are read. Its status is all that counts. */
const MOST_BYTES = 65_536;
/** Longest wait that a receiver can ask for, in milliseconds: a day. */
const MOST_WAIT_MS = 86_400_000;

/**
 * Returns a `deliver` for `startNotifier` that posts each event as JSON, signed as in Standard
 * Webhooks (and by Svix). A status of 200 to 299 says that it has arrived. After any other, the
 * notifier tries again, and no sooner than a `Retry-After` asks for. Errors have neither URL nor
 * secret.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @see Standard Webhooks 1.0.0
 * @example
 * ```ts
 * startNotifier(store, {
 *   name: "crm",
 *   on: ["end"],
 *   deliver: webhook({ url: "https://crm.example/hooks/tasks", secret: process.env.HOOK_SECRET }),
 * });
 * ```
 */
export function webhook(options: WebhookOptions): Deliver {
  checkOptions("webhook", options, OPTIONS);
  const { allowPrivate = false, allowHttp = false, headers = {}, timeoutMs = 15_000 } = options;
  if (options.url === undefined || options.secret === undefined)
    throw invalid("webhook needs the options url and secret");
  const url = urlOf(options.url, allowHttp);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const keys = [options.secret].flat().map((secret) => keyOf(secret) as Buffer);
  const lookup = allowPrivate ? undefined : publicLookup;
  return async (event, { signal }) => {
    // A connection to an address does not look up a name.
    if (!allowPrivate && isIP(host) !== 0 && isPrivateAddress(host)) throw privateAddress();
    const body: WebhookBody = { type: `task.${event.kind}`, timestamp: event.at, data: event.task };
    const text = JSON.stringify(body);
    const seconds = `${Math.floor(Date.now() / 1000)}`;
    const signed = `${event.id}.${seconds}.${text}`;
    const request: RequestOptions = {
      method: "POST",
      headers: {
        ...headers,
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        "webhook-id": event.id,
        "webhook-timestamp": seconds,
        "webhook-signature": keys
          .map((key) => `v1,${createHmac("sha256", key).update(signed).digest("base64")}`)
          .join(" "),
      },
    };
    if (lookup) request.lookup = lookup;
    await post(url, request, text, signal, timeoutMs);
  };
}

function urlOf(text: string, allowHttp: boolean): URL {
  if (!URL.canParse(text)) throw invalid("url must be a URL");
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowHttp && url.protocol === "http:"))
    throw invalid("url must begin with https:, or with http: if allowHttp is true");
  return url;
}

function keyOf(secret: unknown): Buffer | undefined {
  if (typeof secret !== "string" || !secret.startsWith(PREFIX)) return undefined;
  const text = secret.slice(PREFIX.length);
  const key = Buffer.from(text, "base64");
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  return isBase64 && key.length >= 24 && key.length <= 64 ? key : undefined;
}

function privateAddress(): DeliveryError {
  return new DeliveryError("The webhook's URL leads to an address that is not public: set allowPrivate to permit that");
}

/**
 * Resolves the name for the connection itself, so that the address that is checked is the one that
 * is used. All addresses of the name have to be public.
 */
const publicLookup: NonNullable<RequestOptions["lookup"]> = (hostname, options, callback) => {
  void import("node:dns").then(({ lookup }) =>
    lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      const [first] = addresses ?? [];
      if (error || !first) callback(error ?? new DeliveryError("The webhook's host has no address"), "", 0);
      else if (addresses.some(({ address }) => isPrivateAddress(address))) callback(privateAddress(), "", 0);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    }),
  );
};

async function post(
  url: URL,
  options: RequestOptions,
  body: string,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<void> {
  // Loaded when they are first needed, because most processes have no webhooks.
  const { request } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  return new Promise((resolve, reject) => {
    // A connection of its own for each event: one that is kept may be closed by the other end just
    // when it is used, and may lead to an address that the name no longer has.
    const sent: ClientRequest = request(url, { ...options, agent: false }, (response) => {
      const { statusCode = 0 } = response;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MOST_BYTES) sent.destroy();
      });
      response.on("error", () => undefined);
      if (statusCode >= 200 && statusCode < 300) resolve();
      else {
        const retryAfterMs = retryAfterMsOf(response.headers["retry-after"]);
        reject(new DeliveryError(`The webhook's receiver answered with status ${statusCode}`, { retryAfterMs }));
      }
    });
    const cancel = deadline(timeoutMs, () => sent.destroy(timedOut()));
    const forget = onAbort(signal, () => sent.destroy(timedOut()));
    sent.on("error", (error) => reject(asDeliveryError(error)));
    // Also after an answer, whose body may never end.
    sent.on("close", () => {
      cancel();
      forget();
      reject(asDeliveryError(timedOut()));
    });
    sent.end(body);
  });
}

function asDeliveryError(error: Error & { code?: unknown }): DeliveryError {
  if (error instanceof DeliveryError) return error;
  if (error.name === "TimeoutError")
    return new DeliveryError("The webhook's receiver did not answer in time", { cause: error });
  const code = typeof error.code === "string" ? ` (${error.code})` : "";
  return new DeliveryError(`The webhook's receiver could not be reached${code}`, { cause: error });
}

/** `Retry-After` in milliseconds from now. @see RFC 9110, section 10.2.3 */
function retryAfterMsOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return ms > 0 ? Math.min(ms, MOST_WAIT_MS) : undefined;
}
