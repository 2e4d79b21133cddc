// Copies of a server's databases, for a standby. pg_basebackup does not come with every PostgreSQL.
import { appendFile, chown, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { releaseSharedMemory } from "./belongings.ts";
import type { PostgresHome } from "./postgres-process.ts";
import { runIn, serverFolder } from "./server-process.ts";
import { serverUser } from "./unprivileged.ts";

/** What a copy of a running server must not have. */
const OWN_FILES = ["pg_wal", "postmaster.pid", "postmaster.opts"];
/** A running server may remove a file while it is copied. */
const ATTEMPTS = 3;

/** The same databases in a folder of their own. No server may run on them. */
export async function copyOf({ data, bin, way }: PostgresHome): Promise<PostgresHome> {
  const folder = await serverFolder("postgres");
  const copy = join(folder, "data");
  await runIn(folder, "cp", ["-R", "-p", data, copy]);
  return { bin, folder, data: copy, way };
}

/** Replaces the databases of a server that has ended by those of one that runs. */
export async function copyFromServer(url: string, from: PostgresHome, to: PostgresHome): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await backUp(url, from, to);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

/** The server that starts there next follows the one at the URL. */
export async function makeStandby({ data }: PostgresHome, url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const source = `host=${hostname} port=${port} user=postgres application_name=standby`;
  // The last line counts.
  await appendFile(join(data, "postgresql.auto.conf"), `primary_conninfo = '${source}'\n`);
  await write(join(data, "standby.signal"), "");
}

/** As "Making a Base Backup Using the Low Level API" of PostgreSQL's manual says. */
async function backUp(url: string, from: PostgresHome, to: PostgresHome): Promise<void> {
  await releaseSharedMemory(to.folder);
  await rm(to.data, { recursive: true, force: true });
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby', fast => true)");
    const names = (await readdir(from.data)).filter((name) => !OWN_FILES.includes(name));
    await runIn(to.folder, "mkdir", ["-m", "700", to.data, join(to.data, "pg_wal")]);
    await runIn(to.folder, "cp", ["-R", "-p", ...names.map((name) => join(from.data, name)), to.data]);
    const { rows } = await client.query("SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)");
    await write(join(to.data, "backup_label"), rows[0].labelfile);
  } finally {
    await client.end();
  }
}

/** Writes a file as the user that servers run as. */
async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
}
