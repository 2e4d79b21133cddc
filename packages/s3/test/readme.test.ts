import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { s3Storage } from "@mcp-task-store/s3";
import { expect, onTestFinished, test } from "vitest";
import { keysOf } from "../../../tooling/test/fixtures/object-storages.ts";
import { startS3 } from "./support/server.ts";

test("the README's program keeps its payload in a bucket", async () => {
  const server = await startS3();
  onTestFinished(() => server.stop());
  const { endpoint, bucket, region } = server.options;
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, code = ""] = /^```ts no-run\n(.*?)^```$/ms.exec(readme) ?? [];
  const parent = fileURLToPath(new URL("../.scratch/", import.meta.url));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(parent);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "program.ts");
  writeFileSync(file, code);
  const env = {
    ...process.env,
    S3_ENDPOINT: endpoint,
    S3_BUCKET: bucket,
    S3_REGION: region,
    S3_ACCESS_KEY_ID: "S3RVER",
    S3_SECRET_ACCESS_KEY: "S3RVER",
  };
  expect(execFileSync(process.execPath, [file], { cwd: folder, env, encoding: "utf8" })).toBe("render\n");
  expect(await keysOf(s3Storage(server.options), "")).toHaveLength(1);
});
