import { execFileSync } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { executable } from "./binaries.ts";
import { freePort } from "./ports.ts";
import type { DatabaseServer } from "./server.ts";
import { ServerProcess, serverFolder } from "./server-process.ts";

/** The program, and its version, such as `1.18.0`. */
export interface PgBouncerProgram {
  readonly path: string;
  readonly version: string;
}

/** PgBouncer on PATH or in Debian's folder; `undefined` if there is none. */
export function findPgBouncer(): PgBouncerProgram | undefined {
  for (const path of [executable("pgbouncer"), "/usr/sbin/pgbouncer"]) {
    try {
      if (path === undefined) continue;
      const [, version = ""] = /PgBouncer (\S+)/.exec(execFileSync(path, ["--version"], { encoding: "utf8" })) ?? [];
      return { path, version };
    } catch {}
  }
  return undefined;
}

/** PgBouncer in transaction mode before a PostgreSQL server, with its default settings. */
export async function startPgBouncer({ path, version }: PgBouncerProgram, target: string): Promise<DatabaseServer> {
  const { hostname, port, username, password } = new URL(target);
  const folder = await serverFolder("pgbouncer");
  const listenPort = await freePort();
  const user = decodeURIComponent(username);
  const server = [
    `host=${hostname}`,
    `port=${port || 5432}`,
    `user=${quoted(user)}`,
    ...(password === "" ? [] : [`password=${quoted(decodeURIComponent(password))}`]),
  ].join(" ");
  const config = join(folder, "pgbouncer.ini");
  const settings = {
    listen_addr: "127.0.0.1",
    listen_port: String(listenPort),
    unix_socket_dir: "",
    // Any user is the server's.
    auth_type: "any",
    pool_mode: "transaction",
    max_client_conn: "1000",
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  await writeFile(config, ["[databases]", `* = ${server}`, "[pgbouncer]", ...lines, ""].join("\n"));
  // Its own user reads it.
  await chmod(config, 0o644);
  const url = new URL(target);
  url.host = `127.0.0.1:${listenPort}`;
  url.password = "";
  const process = new ServerProcess({
    command: path,
    args: [config],
    folder,
    ping: () => ping(String(url)),
    signals: { orderly: "SIGINT", atOnce: "SIGTERM" },
  });
  await process.start();
  return { url: String(url), version, way: path, stop: () => process.stop() };
}

async function ping(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => {});
  try {
    await client.connect();
  } finally {
    await client.end();
  }
}

function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
