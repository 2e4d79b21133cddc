import Database from "better-sqlite3";
import type { SqliteDatabase } from "./driver.ts";

// On an older Node, better-sqlite3's addon crashes the process at the first call (segmentation
// fault).
const NODE_API = 10;
if (Number(process.versions["napi"]) < NODE_API)
  throw new Error(
    `@mcp-task-store/sqlite needs Node 22.14 or newer, for Node-API ${NODE_API}: this is Node ${process.versions.node}, with Node-API ${process.versions["napi"]}`,
  );

export function openDatabase(path: string, busyTimeoutMs: number): SqliteDatabase {
  return new Database(path, { timeout: busyTimeoutMs });
}

/**
 * Configures a database that the store opens itself. WAL lets readers and one writer work at the
 * same time. It is a property of the file. SQLite works without it on file systems that do not
 * support it.
 */
export function configure(database: SqliteDatabase, synchronous: "normal" | "full"): void {
  if (!database.memory) database.exec("PRAGMA journal_mode = WAL");
  // Four times SQLite's default, so that checkpoints are rarer. The log takes 16 MB. (At the
  // default, checkpoints took 10 % of the writing time.)
  database.exec("PRAGMA wal_autocheckpoint = 4000");
  database.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`);
}
