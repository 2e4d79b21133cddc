import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { SqliteDatabase } from "@mcp-task-store/sqlite";
import { failureText } from "../failures.ts";
import type { Address } from "../stores/address.ts";
import type { StoreSettings } from "../stores/settings.ts";
import { schemaVersions } from "../stores/versions.ts";
import {
  type Checks,
  type Found,
  indexFinding,
  note,
  ok,
  problem,
  schemaFinding,
  unknown,
  warning,
} from "./finding.ts";

const MB = 2 ** 20;
/** Larger files take too long to read. */
const CHECKED_BYTES = 256 * MB;
const LARGE_LOG_BYTES = 128 * MB;
const LITTLE_ROOM_BYTES = 100 * MB;

/** Numbers of file systems that lie on other machines, as Linux's statfs gives them. */
const NETWORK: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB"],
  [0x01021997, "9P"],
  [0x00c36400, "Ceph"],
  [0x5346414f, "AFS"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
]);

const INDEXES = [
  "tasks_by_id",
  "tasks_by_owner",
  "tasks_by_expiry",
  "messages_by_task",
  "messages_by_expiry",
  "events_due",
  "events_by_task",
];

/** The checks of a file, over this connection. */
export function sqliteChecks(database: SqliteDatabase, settings: StoreSettings): Checks {
  const path = resolve((settings.address as Address & { kind: "SQLite" }).path);
  const tablePrefix = settings.tablePrefix ?? "mcp_";
  return {
    file: () => file(database, path),
    disk: async () => {
      const { type, bavail, bsize } = await statfs(dirname(path));
      return [diskFinding(process.platform === "linux" ? type : undefined), roomFinding(bavail * bsize)];
    },
    journal: () => journal(database, path),
    durability: () =>
      note(
        "the file does not show the synchronous setting of servers: with their default, a power cut loses the last writes",
        'open stores with synchronous: "full", if no acknowledged task may be lost',
      ),
    schema: async () => {
      const versions = (await schemaVersions(settings)) ?? { found: 0, known: 0 };
      return schemaFinding(versions, `with the prefix ${tablePrefix} in the file`);
    },
    indexes: () => indexes(database, tablePrefix),
    integrity: () => integrity(database, path),
  };
}

async function file(database: SqliteDatabase, path: string): Promise<Found> {
  try {
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
  } catch (error) {
    return problem(`the file cannot be read: ${failureText(error)}`, "name the file of a store, or restore a backup");
  }
  const places = { file: path, folder: dirname(path) };
  for (const [what, place] of Object.entries(places)) {
    try {
      await access(place, constants.R_OK | constants.W_OK);
    } catch {
      return problem(
        `this user may not write the ${what}`,
        "let the servers' user write the file and its folder: SQLite makes files of its own beside it",
      );
    }
  }
  return ok("file and folder can be written");
}

/** @param type The number of the file system; `undefined` if it is not known. */
export function diskFinding(type: number | undefined): Found {
  if (type === undefined) return unknown("on this system, it is not known whether the disk is of this machine");
  const network = NETWORK.get(type >>> 0);
  if (network === undefined) return ok("the file is on a disk of this machine");
  return problem(
    `the file is on a network disk (${network}): locks fail there, and two machines destroy the file`,
    "move it to a disk of the machine, or take PostgreSQL or Redis for several machines",
  );
}

export function roomFinding(bytes: number): Found {
  if (bytes > LITTLE_ROOM_BYTES) return ok("the disk has room");
  return problem(`the disk has ${Math.round(bytes / MB)} MB left`, "make room: SQLite refuses writes on a full disk");
}

async function journal(database: SqliteDatabase, path: string): Promise<Found> {
  const { journal_mode: mode } = database.prepare("PRAGMA journal_mode").get() as { journal_mode: string };
  if (mode !== "wal")
    return warning(
      `the journal mode is ${mode}: readers and writers wait for each other`,
      "PRAGMA journal_mode = WAL, which a store sets when it opens a file by its path",
    );
  const log = await stat(`${path}-wal`).catch(() => undefined);
  if (log && log.size > LARGE_LOG_BYTES)
    return warning(
      `the write-ahead log has ${Math.round(log.size / MB)} MB: a reader keeps it from being emptied`,
      "look for processes that hold a transaction open on the file",
    );
  return ok("the journal mode is WAL");
}

function indexes(database: SqliteDatabase, tablePrefix: string): Found | Found[] {
  const rows = database.prepare("SELECT name FROM sqlite_schema").all() as { name: string }[];
  const there = new Set(rows.map(({ name }) => name));
  const wanted = INDEXES.map((name) => `${tablePrefix}${name}`);
  // Without tables there are none, and another check says so.
  return there.has(`${tablePrefix}tasks`) ? indexFinding(wanted, there) : [];
}

async function integrity(database: SqliteDatabase, path: string): Promise<Found> {
  const { size } = await stat(path);
  if (size > CHECKED_BYTES) return unknown("the file is too large to read here: run PRAGMA quick_check on a copy");
  const { quick_check: result } = database.prepare("PRAGMA quick_check(1)").get() as { quick_check: string };
  if (result === "ok") return ok("the file is sound");
  return problem(`the file is damaged: ${result}`, "restore a backup, or recover it with .recover of sqlite3");
}
