import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { S3StorageOptions } from "@mcp-task-store/s3";

const program = fileURLToPath(new URL("server-process.ts", import.meta.url));

export interface S3Server {
  /** The options of a storage in the server's bucket. */
  readonly options: S3StorageOptions;
  stop(): Promise<void>;
}

/** Starts an S3 server in a process of its own, with an empty bucket. */
export async function startS3(): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), "s3-server-"));
  const bucket = "task-payloads";
  // The server makes its tokens for further pages with DES.
  const args = ["--openssl-legacy-provider", program, folder, bucket];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "close");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const [line] = await Promise.race([once(child.stdout.setEncoding("utf8"), "data"), ended.then(() => [])]);
  if (typeof line !== "string") {
    await stop();
    throw new Error("The S3 server ended before it listened");
  }
  const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
  return { options: { endpoint: line.trim(), bucket, region: "us-east-1", credentials }, stop };
}
