/**
 * One of several servers on a store, as a process: `CONFORMANCE_PLACE='{...}' node process.ts
 * <store> <role>`. Prints a line once it is ready.
 */
import { serve, work } from "./server.ts";
import type { Role } from "./tools.ts";

const [store = "", role = "server"] = process.argv.slice(2);
const place = JSON.parse(process.env["CONFORMANCE_PLACE"] ?? "");
// Ends with the process that started it.
process.stdin
  .on("end", () => process.exit())
  .on("error", () => process.exit())
  .resume();
const started = role === "worker" ? work(store, place) : serve(store, place, 0, role as Role);
process.once("SIGTERM", async () => {
  await (await started)[Symbol.asyncDispose]();
  process.exit();
});
console.log((await started).url);
