/** One server of several on a store, as a process: `CONFORMANCE_PLACE='{...}' node process.ts <store>`. */
import { serve } from "./server.ts";

const [name = ""] = process.argv.slice(2);
const server = await serve(name, JSON.parse(process.env["CONFORMANCE_PLACE"] ?? ""), 0);
// Ends with whoever started it.
process.stdin
  .on("end", () => process.exit())
  .on("error", () => process.exit())
  .resume();
process.on("SIGTERM", async () => {
  await server[Symbol.asyncDispose]();
  process.exit();
});
console.log(server.url);
