import { checks, type OptionCheck, type OptionTable } from "@mcp-task-store/core/backend";

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of credentials that are valid for a time. */
  sessionToken?: string | undefined;
}

export interface S3StorageOptions {
  /** The name of the bucket, which has to exist. */
  bucket: string;
  /** The bucket's region. Some services call theirs `auto`. */
  region: string;
  /**
   * The URL of the service, without the bucket. Requests then have the bucket in their path.
   * @default AWS in the region
   */
  endpoint?: string | undefined;
  /** The credentials, or a function that is called for each request, such as a provider of AWS. */
  credentials: S3Credentials | (() => S3Credentials | Promise<S3Credentials>);
  /**
   * What the keys of all objects begin with, for a bucket with other objects.
   * @default "", nothing
   */
  prefix?: string | undefined;
  /**
   * Milliseconds that one request may take. A request that fails is sent three times.
   * @default 10_000
   */
  timeoutMs?: number | undefined;
}

const urlCheck: OptionCheck = (value) =>
  typeof value === "string" && /^https?:\/\//.test(value) && URL.canParse(value)
    ? undefined
    : "a URL that begins with https: or http:";

const credentialsCheck: OptionCheck = (value, where, path) =>
  typeof value === "function"
    ? undefined
    : checks.options({ accessKeyId: checks.text, secretAccessKey: checks.text, sessionToken: checks.text })(
        value,
        where,
        path,
      );

const prefixCheck: OptionCheck = (value) =>
  typeof value === "string" && /^(?:[\w.-]+\/)*$/.test(value)
    ? undefined
    : "a text such as `payloads/`, with a slash at its end";

export const OPTIONS: OptionTable<S3StorageOptions> = {
  bucket: checks.text,
  region: checks.text,
  endpoint: urlCheck,
  credentials: credentialsCheck,
  prefix: prefixCheck,
  timeoutMs: checks.milliseconds(1),
};
