import { startProxy } from "../conformance-server/proxy.ts";
import { ServerProcess } from "../conformance-server/server-process.ts";
import { Succession } from "../conformance-server/succession.ts";
import { testScenarios } from "./official-conformance.ts";

// Servers that only answer may crash as often as they like. Not on PostgreSQL as well, whose driver and schema take longest
// to load: that would be half a minute more.
testScenarios(
  "a server killed after each request, beside a worker",
  ["sqlite", "redis"],
  async (store, place, cleanUp) => {
    const worker = cleanUp.use(new ServerProcess({ store, place, role: "worker" }));
    await worker.url;
    const servers = cleanUp.use(new Succession(() => new ServerProcess({ store, place, role: "front" }), "SIGKILL"));
    const proxy = cleanUp.use(await startProxy(() => servers.next()));
    return async () => proxy.url;
  },
  { atOnce: 2 },
);
