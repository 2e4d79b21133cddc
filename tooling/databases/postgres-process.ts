import { cp } from "node:fs/promises";
import { join } from "node:path";
import { findPostgres } from "./binaries.ts";
import { freePort } from "./ports.ts";
import { type OwnServer, WayUnavailable } from "./server.ts";
import { runIn, ServerProcess, serverFolder } from "./server-process.ts";
import { isReachable, serverUser } from "./unprivileged.ts";

export interface PostgresSetup {
  readonly version: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /** Returns the version of the server at a URL. */
  ping(url: string): Promise<string>;
}

/** A cluster of databases in a folder, which `initdb` made. */
export interface PostgresHome {
  /** The folder with the programs. */
  readonly bin: string;
  readonly folder: string;
  readonly data: string;
  /** The origin of the binaries. */
  readonly way: string;
}

/** Where a server listens. */
export interface PostgresPlace {
  readonly address: string;
  readonly namespace?: string | undefined;
}

/** Postgres as a local process, with its data in a temporary folder. */
export async function startPostgresProcess({ version, settings, ping }: PostgresSetup): Promise<OwnServer> {
  const home = await makeHome(version);
  const { server, url } = await postgresAt(home, { address: "127.0.0.1" }, settings, ping);
  await server.start();
  return { url, version: await ping(url), way: home.way, control: server, stop: () => server.stop() };
}

/** @throws WayUnavailable without binaries of this version */
export async function makeHome(wanted?: number): Promise<PostgresHome> {
  const found = findPostgres();
  const binaries = found.find(({ major }) => wanted === undefined || major === wanted);
  if (binaries === undefined) {
    throw new WayUnavailable(found.length === 0 ? "not found" : `found ${found.map(({ major }) => major).join(", ")}`);
  }
  const folder = await serverFolder("postgres");
  const bin = join(await reachable(binaries.root, folder), "bin");
  const data = join(folder, "data");
  await runIn(folder, join(bin, "initdb"), [
    ...["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"],
    // initdb's own files need no sync. The server syncs its writes as usual.
    "--no-sync",
  ]);
  return { bin, folder, data, way: binaries.origin };
}

/** A server that is not started yet, and its URL. */
export async function postgresAt(
  { bin, folder, data }: PostgresHome,
  { address, namespace }: PostgresPlace,
  settings: Readonly<Record<string, string>>,
  ping: (url: string) => Promise<unknown>,
): Promise<{ server: ServerProcess; url: string }> {
  const port = await freePort();
  const url = `postgres://postgres@${address}:${port}/postgres`;
  const all = {
    listen_addresses: address,
    port: String(port),
    unix_socket_directories: "",
    // In the data folder, since /dev/shm would outlive a killed server.
    dynamic_shared_memory_type: "mmap",
    ...settings,
  };
  const server = new ServerProcess({
    command: join(bin, "postgres"),
    args: ["-D", data, ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    folder,
    namespace,
    ping: () => ping(url),
    signals: { orderly: "SIGINT", atOnce: "SIGQUIT" },
  });
  return { server, url };
}

/** The binaries, or a copy if only root can reach them. */
async function reachable(root: string, folder: string): Promise<string> {
  if (serverUser() === undefined || isReachable(join(root, "bin/postgres"))) return root;
  const copy = join(folder, "binaries");
  await cp(root, copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}
