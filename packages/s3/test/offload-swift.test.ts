import type { ObjectStorage } from "@mcp-task-store/core";
import { type S3StorageOptions, s3Storage } from "@mcp-task-store/s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testObjectStorage } from "../../../tooling/test/fixtures/object-storages.ts";
import { isWide } from "../../../tooling/wide.ts";
import type { S3Server } from "./support/server.ts";
import { hasSwift, startSwift } from "./support/swift.ts";

// Another S3 server than that of s3-storage.test.ts, with `TEST_WIDE=1` and Debian's packages
// swift-proxy, swift-account, swift-container and swift-object.
describe.runIf(hasSwift && isWide)("over OpenStack Swift", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startSwift();
  }, 300_000);
  afterAll(() => server?.stop());

  let folders = 0;
  /** A storage that shares the bucket with others. */
  function newStorage(options: Partial<S3StorageOptions> = {}): ObjectStorage {
    folders += 1;
    return s3Storage({ ...server.options, prefix: `folder-${folders}/`, ...options });
  }

  testObjectStorage(() => newStorage());

  test.each([
    ["a bucket that does not exist", { bucket: "none-such" }, "does not exist"],
    ["wrong credentials", { credentials: { accessKeyId: "test:tester", secretAccessKey: "wrong" } }, "are wrong"],
    ["unknown credentials", { credentials: { accessKeyId: "unknown", secretAccessKey: "wrong" } }, "are wrong"],
  ])("%s is an outage that says so", async (_, options, words) => {
    await expect(newStorage(options).put("s/00/a.1", Buffer.from("1"))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      message: expect.stringContaining(words),
    });
  });
});
