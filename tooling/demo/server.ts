/**
 * An MCP server whose tasks outlive it. The demo starts this file as a process of its own, twice:
 *
 *     DEMO_TOKEN=secret DEMO_PLACE='{"address":"/path/of/tasks.db","name":""}' node server.ts sqlite
 *
 * Prints its address once it is ready.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { startWorker } from "@mcp-task-store/core";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { HASH_DIRECTORY, hashDirectory, registerHashDirectory } from "./hash-directory.ts";
import { createHttpServer, currentUser } from "./sessions.ts";
import { storeNamed } from "./stores.ts";

const [name = ""] = process.argv.slice(2);
const token = process.env["DEMO_TOKEN"];
const place = JSON.parse(process.env["DEMO_PLACE"] ?? "");

const store = await storeNamed(name).open(place, {
  // A client that reconnects has a new session but is the same user: tasks belong to users.
  owner: () => currentUser.getStore(),
  isolation: "strict",
  pollInterval: 100,
  // Nobody but the workers runs tasks here, so they need not wait whether the creator will.
  claimAfterMs: 0,
});

// Runs new tasks, and those that a dead server left behind. Most servers can leave out these options: the defaults are
// a lease of 30 s and a look every second. The demo does not want to wait that long.
const worker = startWorker(store, { [HASH_DIRECTORY]: hashDirectory }, { leaseMs: 1000, pollMs: 100 });

const http = createHttpServer(
  (authorization) => (token && authorization === `Bearer ${token}` ? "ada" : undefined),
  () => {
    const mcp = new McpServer(
      { name: "durable-demo", version: "1.0.0" },
      {
        capabilities: { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
        taskStore: store,
        taskMessageQueue: store.messages,
      },
    );
    registerHashDirectory(mcp);
    return mcp;
  },
);

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  http.close();
  http.closeAllConnections();
  // Gives the leases back, so that another server need not wait for them to lapse.
  await worker.stop();
  await store.close();
  process.exit();
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
// Closed when the demo ends, however it ends: no server stays behind.
process.stdin.on("end", stop).on("error", stop).resume();

http.listen(0, "127.0.0.1");
await once(http, "listening");
console.log(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`);
