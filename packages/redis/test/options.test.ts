// Not portable: the clients that a store takes, its errors for others, and connections left after a
// failed open.
import { RedisTaskStore } from "@mcp-task-store/redis";
import { GlideClient } from "@valkey/valkey-glide";
import { Redis } from "ioredis";
import { createClientPool, createSentinel } from "redis";
import { expect, onTestFinished, test } from "vitest";
import { useKeys } from "../../../tooling/databases/fixtures.ts";
import { refusal } from "../../../tooling/test/fixtures/errors.ts";
import { openStore, operator, ownServer, REQUEST, until } from "./support/server.ts";

const keys = useKeys();
const url = "redis://127.0.0.1:1";

test.each<[what: string, options: object, says: RegExp]>([
  ["a prefix by another name", { url, prefix: "a" }, /does not know "prefix": did you mean "keyPrefix"/],
  ["a misspelt option", { url, comandTimeoutMs: 5 }, /did you mean "commandTimeoutMs"/],
  ["text for a time", { url, commandTimeoutMs: "5" }, /commandTimeoutMs must be a whole number .* not a string/],
  ["a URL of another kind", { url: "http://127.0.0.1" }, /url must be a URL that begins with redis:/],
  ["neither URL nor client", {}, /either url or client/],
  ["an environment variable that is not set", { url: undefined }, /url is undefined: .* environment variable/],
  ["the class of clients", { client: Redis }, /client must be a Redis or Cluster of ioredis, a client/],
  ["a client of pg", { client: { query: () => 1, connect: () => 1 } }, /a client of node-redis from createClient/],
  ["a wrong option of every store", { url, limits: { ttl: 60_000 } }, /limits\.ttl must be an object/],
])("a Redis store refuses %s", (_, options, says) => {
  expect(refusal(() => new RedisTaskStore(options))).toMatch(says);
});

test("a Redis store refuses a URL beside a client", () => {
  expect(refusal(() => new RedisTaskStore({ client: operator(keys.url), url }))).toMatch(/either url or client/);
});

test.each<[what: string, make: () => unknown]>([
  ["a pool of node-redis", () => createClientPool({ url })],
  [
    "a sentinel of node-redis",
    () => createSentinel({ name: "main", sentinelRootNodes: [{ host: "127.0.0.1", port: 1 }] }),
  ],
  [
    "a client of valkey-glide for one server",
    async () => {
      const client = await GlideClient.createClient({ addresses: [{ host: "127.0.0.1" }], lazyConnect: true });
      client.close();
      return client;
    },
  ],
])("a Redis store refuses %s, and says which clients it takes", async (_, make) => {
  const client = await make();
  expect(refusal(() => new RedisTaskStore({ client: client as never }))).toBe(
    "client must be a Redis or Cluster of ioredis, a client of node-redis from createClient or createCluster, or a " +
      "GlideClusterClient of valkey-glide (a GlideClient cannot hear sharded channels), not an object",
  );
});

test.each<[what: string, prepare: (client: Redis) => unknown, options?: object]>([
  ["subscribes", (client) => client.subscribe("a")],
  ["keeps nothing to send later", () => undefined, { enableOfflineQueue: false }],
  ["never connected", () => undefined, { lazyConnect: true }],
  ["has ended", (client) => client.quit()],
])(
  "the store takes an ioredis client that %s, since it makes its own connections",
  async (_, prepare, options = {}) => {
    const client = new Redis(keys.url, { ...options });
    onTestFinished(() => client.disconnect());
    if (client.status !== "wait") await new Promise((resolve) => client.once("ready", resolve));
    await prepare(client);
    const store = openStore({ client, keyPrefix: keys.prefix });
    const { taskId } = await store.createTask({}, 1, REQUEST);
    expect(await store.getTask(taskId)).not.toBeNull();
  },
);

test.each<[why: string, account: string, says: RegExp]>([
  ["the password is wrong", "default:wrong", /refused the user name or password/],
  ["a command is forbidden", "reader:right", /refused a command/],
])("no connection is left when %s, not even after a second try", async (_, account, says) => {
  const { url } = await ownServer();
  const redis = operator(url);
  await redis.acl("SETUSER", "reader", "on", ">right", "~*", "&*", "+@connection", "+info");
  await redis.config("SET", "requirepass", "secret");
  const store = openStore({ url: url.replace("redis://", `redis://${account}@`) });
  for (let attempt = 0; attempt < 3; attempt += 1) await expect(store.createTask({}, 1, REQUEST)).rejects.toThrow(says);
  await until(async () => (await redis.info("clients")).includes("connected_clients:1\r\n"));
});
