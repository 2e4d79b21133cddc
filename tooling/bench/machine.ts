/** The machine of the measurements. */
import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../packages.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** The file system of the folder with this machine's database files. */
  readonly fileSystem: string;
  /** The machine's other load over the last minute. */
  readonly loadBefore: number;
}

/** By the type in hexadecimal; see statfs(2). */
const FILE_SYSTEMS: ReadonlyMap<string, string> = new Map([
  ["ef53", "ext4"],
  ["1021994", "tmpfs"],
  ["58465342", "xfs"],
  ["9123683e", "btrfs"],
  ["794c7630", "overlayfs"],
]);

export function machine(): Machine {
  const fileSystem = statfsSync(tmpdir()).type.toString(16);
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    fileSystem: FILE_SYSTEMS.get(fileSystem) ?? `type 0x${fileSystem}`,
    loadBefore: loadavg()[0] ?? 0,
  };
}

const MEASURED = [
  ...["@modelcontextprotocol/sdk", "better-sqlite3", "pg", "ioredis"],
  ...["bullmq", "pg-boss", "graphile-worker", "sidequest", "@adcp/sdk", "keyv", "@keyv/redis", "@keyv/postgres"],
];

/** The versions of Node and of the packages that take part. */
export function versions(): Record<string, string> {
  const installed = MEASURED.map((name) => {
    const manifest = readFileSync(join(repositoryRoot, "tooling/node_modules", name, "package.json"), "utf8");
    return [name, JSON.parse(manifest).version as string] as const;
  });
  return { node: process.version, ...Object.fromEntries(installed) };
}
