import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { AwsClient } from "aws4fetch";
import { freePort } from "../../../../tooling/databases/ports.ts";
import type { S3Server } from "./server.ts";

const program = fileURLToPath(new URL("swift-server.py", import.meta.url));

/** Whether Debian's packages of Swift are on this machine. */
export const hasSwift: boolean = ["proxy", "account", "container", "object"].every((kind) =>
  existsSync(`/usr/bin/swift-${kind}-server`),
);

/** Starts OpenStack Swift with its S3 API in processes of its own, with an empty bucket. */
export async function startSwift(): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), "swift-"));
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
  const child = spawn("/usr/bin/python3", [program, folder, ...ports.map(String)], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const ended = once(child, "close");
  const stop = async () => {
    child.stdin.end();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const endpoint = `http://127.0.0.1:${ports[0]}`;
  const credentials = { accessKeyId: "test:tester", secretAccessKey: "testing" };
  const client = new AwsClient({ ...credentials, service: "s3", region: "us-east-1", retries: 0 });
  for (;;) {
    const made = await client.fetch(`${endpoint}/task-payloads`, { method: "PUT" }).catch(() => undefined);
    if (made?.ok) break;
    if (child.exitCode !== null) throw new Error("OpenStack Swift ended before it listened");
    // It has no way to tell that it listens.
    await sleep(100);
  }
  return { options: { endpoint, bucket: "task-payloads", region: "us-east-1", credentials }, stop };
}
