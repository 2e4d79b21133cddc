/** A run that starts a server, prints its URL, and never stops it. */
import { startOwnPostgres } from "../../databases/index.ts";

const server = await startOwnPostgres({ durability: "fast" });
console.log(server.url);
setInterval(() => {}, 60_000);
