/** A run that starts a server, says where it is, and never stops it. */
import { startOwnPostgres } from "../../databases/index.ts";

const server = await startOwnPostgres({ durability: "fast" });
console.log(server.url);
setInterval(() => {}, 60_000);
