import { startProxy } from "../conformance-server/proxy.ts";
import { ServerProcess } from "../conformance-server/server-process.ts";
import { DURABLE, testScenarios } from "./official-conformance.ts";

// As behind a load balancer without sticky sessions.
testScenarios("two servers in turn", DURABLE, async (store, place, cleanUp) => {
  const servers = [1, 2].map(() => cleanUp.use(new ServerProcess({ store, place })));
  const urls = await Promise.all(servers.map(({ url }) => url));
  return async () => {
    // Counts per scenario, so no two requests in a row go to the same server.
    let requests = 0;
    const proxy = cleanUp.use(
      await startProxy(async () => ({ url: urls[requests++ % urls.length] as string, end: () => undefined })),
    );
    return proxy.url;
  };
});
