import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ObjectStorage } from "@mcp-task-store/core";
import { type S3StorageOptions, s3Storage } from "@mcp-task-store/s3";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { keysOf, testObjectStorage } from "../../../tooling/test/fixtures/object-storages.ts";
import { type S3Server, startS3 } from "./support/server.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());

let folders = 0;
/** A storage that shares the bucket with others. */
function newStorage(options: Partial<S3StorageOptions> = {}): ObjectStorage {
  folders += 1;
  return s3Storage({ ...server.options, prefix: `folder-${folders}/`, ...options });
}

testObjectStorage(() => newStorage());

test("asks a function for credentials, at each request", async () => {
  let asked = 0;
  const { credentials } = server.options;
  const storage = newStorage({
    async credentials() {
      asked += 1;
      return credentials as Exclude<typeof credentials, () => unknown>;
    },
  });
  await storage.put("s/00/a.1", Buffer.from("1"));
  await storage.get("s/00/a.1");
  expect(asked).toBe(2);
});

test("storages of different prefixes share a bucket", async () => {
  const [one, other] = [newStorage(), newStorage()];
  await one.put("s/00/a.1", Buffer.from("1"));
  expect(await other.get("s/00/a.1")).toBeUndefined();
  expect(await keysOf(other, "s/")).toEqual([]);
  expect(await keysOf(one, "s/")).toEqual(["s/00/a.1"]);
});

test.each([
  ["a bucket that does not exist", { bucket: "none" }, "does not exist"],
  ["wrong credentials", { credentials: { accessKeyId: "S3RVER", secretAccessKey: "wrong-key" } }, "are wrong"],
  ["unknown credentials", { credentials: { accessKeyId: "unknown-id", secretAccessKey: "wrong-key" } }, "are unknown"],
  ["credentials without a key", { credentials: () => ({ accessKeyId: "S3RVER", secretAccessKey: "" }) }, "lack"],
  ["a service that does not listen", { endpoint: "http://127.0.0.1:1" }, "could not be reached"],
])("%s is an outage, whose message has no address, bucket or credential", async (_, options, words) => {
  const storage = newStorage(options);
  for (const call of [
    () => storage.put("s/00/a.1", Buffer.from("1")),
    () => storage.get("s/00/a.1"),
    () => storage.list({ prefix: "s/", limit: 1 }),
  ]) {
    const error = await call().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code: "BACKEND_UNAVAILABLE", write: "not-applied" });
    expect(error?.message).toContain(words);
    expect(error?.message).not.toMatch(/127|S3RVER|wrong-key|unknown-id|none|s\/00/);
  }
});

/** A service that answers by itself, and counts its requests. */
async function startService(answers: readonly (number | "cut" | "silence")[]) {
  let requests = 0;
  const service = createServer((request, response) => {
    const answer = answers[requests] ?? answers.at(-1);
    requests += 1;
    request.resume();
    if (answer === "cut") request.socket.destroy();
    else if (answer !== "silence") response.writeHead(answer as number).end("<Error><Code>Odd</Code></Error>");
  });
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    service.closeAllConnections();
    service.close();
  });
  const endpoint = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
  return { endpoint, requests: () => requests };
}

test("a request that fails on the way or in the service is sent again", async () => {
  const { endpoint, requests } = await startService(["cut", 503, 200]);
  await newStorage({ endpoint }).put("s/00/a.1", Buffer.from("1"));
  expect(requests()).toBe(3);
});

test("a request is sent three times, and one that is refused only once", async () => {
  const failing = await startService([500]);
  await expect(newStorage({ endpoint: failing.endpoint }).delete("s/00/a.1")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: "The bucket of large payloads answered with status 500 (Odd)",
  });
  expect(failing.requests()).toBe(3);
  const refusing = await startService([400]);
  await expect(newStorage({ endpoint: refusing.endpoint }).delete("s/00/a.1")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
  });
  expect(refusing.requests()).toBe(1);
});

test("a redirect is not followed, since it would take the signature elsewhere", async () => {
  const { endpoint, requests } = await startService([307]);
  await expect(newStorage({ endpoint }).get("s/00/a.1")).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  expect(requests()).toBe(1);
});

test("a service that does not answer is given up after timeoutMs", async () => {
  const { endpoint, requests } = await startService(["silence"]);
  await expect(newStorage({ endpoint, timeoutMs: 50 }).get("s/00/a.1")).rejects.toMatchObject({
    code: "BACKEND_UNAVAILABLE",
    message: "The bucket of large payloads could not be reached",
  });
  expect(requests()).toBe(3);
});

test("refuses options that cannot be right", () => {
  const { options } = server;
  for (const wrong of [
    { bucket: undefined },
    { region: undefined },
    { credentials: undefined },
    { credentials: { accessKeyId: "" } },
    { endpoint: "ftp://host" },
    { prefix: "no-slash" },
    { timeoutMs: 0 },
    { buckets: "x" },
  ])
    expect(() => s3Storage({ ...options, ...wrong } as S3StorageOptions)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
});
