import { createHash } from "node:crypto";
import { TaskStoreError } from "@mcp-task-store/core";
import { type Advice, byAdvice, realTime, unavailable } from "@mcp-task-store/core/backend";
import { AwsV4Signer } from "aws4fetch";
import { textOf } from "./list-xml.ts";
import type { S3StorageOptions } from "./options.ts";

export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  /** The service's clock. Milliseconds since the epoch. */
  readonly date: number;
}

interface RequestOptions {
  readonly body?: Uint8Array;
  readonly query?: URLSearchParams;
  /** The S3 code of a 404 that is an answer and no failure. */
  readonly missing?: string;
}

/** How often a request is sent that fails, and the longest pause after the first failure. */
const ATTEMPTS = 3;
const PAUSE_MS = 200;

/** What went wrong, by the code of S3's answer. A message must not hold the answer itself. */
const ADVICE: Advice = [
  ["NoSuchBucket", "The bucket of large payloads does not exist"],
  ["AccessDenied", "The bucket of large payloads does not permit this to the credentials"],
  ["InvalidAccessKeyId", "The credentials for the bucket of large payloads are unknown"],
  ["SignatureDoesNotMatch", "The credentials for the bucket of large payloads are wrong"],
  ["ExpiredToken", "The credentials for the bucket of large payloads have expired"],
  ["RequestTimeTooSkewed", "The clock of this host is too far from that of the bucket of large payloads"],
  ["PermanentRedirect", "The bucket of large payloads is in another region"],
  ["AuthorizationHeaderMalformed", "The bucket of large payloads is in another region"],
];

/** Sends signed requests to one bucket. */
export class Bucket {
  readonly #address: string;
  readonly #region: string;
  readonly #credentials: S3StorageOptions["credentials"];
  readonly #timeoutMs: number;

  constructor(address: string, region: string, credentials: S3StorageOptions["credentials"], timeoutMs: number) {
    this.#address = address;
    this.#region = region;
    this.#credentials = credentials;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * A request for an object, or for the bucket if it has a query.
   * @throws TaskStoreError `BACKEND_UNAVAILABLE`
   */
  async request(method: string, key: string, options: RequestOptions = {}): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#send(method, key, options).catch((error: unknown) => {
        if (error instanceof TaskStoreError) throw error;
        return unavailable("The bucket of large payloads could not be reached", error);
      });
      if (answer instanceof TaskStoreError) {
        if (attempt === ATTEMPTS) throw answer;
      } else {
        const { status } = answer;
        if (status >= 200 && status < 300) return answer;
        const code = textOf(new TextDecoder().decode(answer.body), "Code");
        if (status === 404 && code === options.missing) return answer;
        if ((status < 500 && status !== 429) || attempt === ATTEMPTS) throw refused(status, code);
      }
      const pauseMs = PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
      await new Promise((resolve) => realTime.setTimeout(resolve, pauseMs));
    }
  }

  async #send(method: string, key: string, { body, query }: RequestOptions): Promise<Answer> {
    const { url, headers } = await this.#signed(method, key, body, query);
    const late = new AbortController();
    const timer = realTime.setTimeout(() => late.abort(), this.#timeoutMs);
    try {
      const init: RequestInit = { method, headers, redirect: "manual", signal: late.signal };
      if (body) init.body = body as Uint8Array<ArrayBuffer>;
      const response = await fetch(url, init);
      const date = Date.parse(response.headers.get("date") ?? "");
      return { status: response.status, body: new Uint8Array(await response.arrayBuffer()), date };
    } finally {
      realTime.clearTimeout(timer);
    }
  }

  /** Signs anew for each attempt, since a signature holds the time and is valid for minutes. */
  async #signed(method: string, key: string, body: Uint8Array | undefined, query: URLSearchParams | undefined) {
    const given = this.#credentials;
    const { accessKeyId, secretAccessKey, sessionToken } = typeof given === "function" ? await given() : given;
    if (!accessKeyId || !secretAccessKey)
      throw unavailable("The credentials for the bucket of large payloads lack accessKeyId or secretAccessKey");
    const signer = new AwsV4Signer({
      method,
      url: `${this.#address}${query ? `?${query}` : `/${key}`}`,
      // With the digest in the signature, the service refuses a body that was changed on its way.
      headers: {
        "x-amz-content-sha256": createHash("sha256")
          .update(body ?? "")
          .digest("hex"),
      },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: "s3",
      region: this.#region,
    });
    return signer.sign();
  }
}

function refused(status: number, code: string): TaskStoreError {
  const known = /^\w{1,60}$/.test(code) ? ` (${code})` : "";
  const answered = `The bucket of large payloads answered with status ${status}${known}`;
  return byAdvice(undefined, code, ADVICE) ?? unavailable(answered);
}
