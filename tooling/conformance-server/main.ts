/**
 * `npx pnpm@12 conformance-server`: a server that the official conformance suite can be run
 * against.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { STORE_NAMES, storeNamed } from "../demo/stores.ts";
import { serve } from "./server.ts";

const HELP = `Serves the tools that the tasks-* scenarios of @modelcontextprotocol/conformance ask for.

  npx pnpm@12 conformance-server [options]

  --store <store>  where tasks are kept: ${STORE_NAMES.join(", ")} (default: sqlite)
  --port <port>    on 127.0.0.1 (default: 4310)
  --help           show this

Then, for instance: npx @modelcontextprotocol/conformance@0.2.0-alpha.12 server --url http://127.0.0.1:4310/mcp --scenario tasks-lifecycle
`;

process.exitCode = await main();

async function main(): Promise<number> {
  let options: { store: string; port: number };
  try {
    const text = { type: "string" } as const;
    const given = parseArgs({ options: { store: text, port: text, help: { type: "boolean" } } }).values;
    if (given.help) {
      console.log(HELP);
      return 0;
    }
    options = { store: given.store ?? "sqlite", port: Number(given.port ?? 4310) };
    storeNamed(options.store);
    if (!(Number.isInteger(options.port) && options.port >= 0 && options.port < 65_536))
      throw new Error(`--port takes a number from 0 to 65535, not "${given.port}"`);
  } catch (error) {
    console.error(`conformance-server: ${(error as Error).message}\nSee npx pnpm@12 conformance-server --help`);
    return 2;
  }
  // A signal during the start also ends the command, and leaves nothing behind.
  const ended = Promise.race(["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => once(process, signal)));
  await using cleanUp = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "mcp-task-store-conformance-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const place = await storeNamed(options.store).prepare(folder, cleanUp);
  const server = cleanUp.use(await serve(options.store, place, options.port));
  // npx and pnpm do not pass signals on, so the user must send them to this process.
  const { title } = storeNamed(options.store);
  console.log(`${server.url} keeps its tasks in ${title}. End it with Ctrl+C, or process ${process.pid} with SIGTERM.`);
  await ended;
  return 0;
}
