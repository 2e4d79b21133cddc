import { startProxy } from "../conformance-server/proxy.ts";
import { ServerProcess } from "../conformance-server/server-process.ts";
import { Succession } from "../conformance-server/succession.ts";
import { testScenarios } from "./official-conformance.ts";

// Servers that only answer may crash at any time. PostgreSQL is left out, as its driver and schema
// load slowest (30 s more).
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
