import { type ObjectStorage, TaskStoreError } from "@mcp-task-store/core";
import { checkOptions } from "@mcp-task-store/core/backend";
import { Bucket } from "./bucket.ts";
import { pageOf } from "./list-xml.ts";
import { OPTIONS, type S3StorageOptions } from "./options.ts";

/**
 * Keeps large payloads as objects in an S3-compatible bucket, for the `offload` of a store's
 * `codec`. The credentials need the permissions to get, put and delete objects, and to list the
 * bucket.
 *
 * A request that fails on the way, or with a status of 429 or 500 to 599, is sent again. Then its
 * call rejects with `BACKEND_UNAVAILABLE`.
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * ```ts
 * const storage = s3Storage({
 *   bucket: "task-payloads",
 *   region: "eu-central-1",
 *   credentials: { accessKeyId: "...", secretAccessKey: "..." },
 * });
 * ```
 */
export function s3Storage(options: S3StorageOptions): ObjectStorage {
  checkOptions("s3Storage", options, OPTIONS);
  const { bucket: name, region, endpoint, credentials, prefix: inFront = "", timeoutMs = 10_000 } = options;
  if (name === undefined || region === undefined || credentials === undefined)
    throw new TaskStoreError("INVALID_ARGUMENT", "s3Storage needs the options bucket, region and credentials");
  const bucket = new Bucket(addressOf(name, region, endpoint), region, credentials, timeoutMs);
  return {
    async put(key, bytes) {
      await bucket.request("PUT", `${inFront}${key}`, { body: bytes });
    },
    async get(key) {
      const { status, body } = await bucket.request("GET", `${inFront}${key}`, { missing: "NoSuchKey" });
      return status === 404 ? undefined : body;
    },
    async delete(key) {
      await bucket.request("DELETE", `${inFront}${key}`, { missing: "NoSuchKey" });
    },
    async list({ prefix, after, limit }) {
      const query = new URLSearchParams({ "list-type": "2", "max-keys": `${limit}`, prefix: `${inFront}${prefix}` });
      if (after !== undefined) query.set("start-after", `${inFront}${after}`);
      const { body, date } = await bucket.request("GET", "", { query });
      return pageOf(new TextDecoder().decode(body), inFront.length, date);
    },
  };
}

/** The URL of a bucket. A name with dots has no certificate as a part of the host's name. */
function addressOf(bucket: string, region: string, endpoint: string | undefined): string {
  if (endpoint !== undefined) return `${endpoint.replace(/\/+$/, "")}/${bucket}`;
  return bucket.includes(".")
    ? `https://s3.${region}.amazonaws.com/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com`;
}
