// node worker.ts <place>: a worker, which is killed and stopped during the soak.
import { startWorker } from "@mcp-task-store/core";
import { openPlace, type Place } from "./places.ts";
import { WORKER, workerHandlers } from "./tools.ts";

const store = await openPlace(JSON.parse(process.argv[2] as string) as Place, () => undefined);
const worker = startWorker(store, workerHandlers, WORKER);

async function stop(): Promise<void> {
  await worker.stop();
  await store.close();
  process.exit();
}
process.once("SIGTERM", () => void stop());
// The channel closes when the soak ends in any way.
process.once("disconnect", () => void stop());
process.send?.("ready");
