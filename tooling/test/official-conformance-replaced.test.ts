import { startProxy } from "../conformance-server/proxy.ts";
import { ServerProcess } from "../conformance-server/server-process.ts";
import { Succession } from "../conformance-server/succession.ts";
import { DURABLE, testScenarios } from "./official-conformance.ts";

// Like a deployment between any two requests: no memory survives from one request to the next.
testScenarios(
  "a new server for each request",
  DURABLE,
  async (store, place, cleanUp) => {
    const servers = cleanUp.use(new Succession(() => new ServerProcess({ store, place }), "SIGTERM"));
    const proxy = cleanUp.use(await startProxy(() => servers.next()));
    return async () => proxy.url;
  },
  { atOnce: 1 },
);
