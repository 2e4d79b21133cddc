/** A database server that tests may use. */
export interface DatabaseServer {
  readonly url: string;
  readonly version: string;
  /** How it was had, such as "server binaries on this machine". */
  readonly way: string;
  /** Ends the server, if it is ours, and removes all that it kept. */
  stop(): Promise<void>;
}

/** A server that was started for the caller alone, and that the caller may therefore harm. */
export interface OwnServer extends DatabaseServer {
  readonly control: ServerControl;
}

/** What may befall a server. Its address and its data stay the same all the while. */
export interface ServerControl {
  /** Freezes it: connections stay open and can be opened, nothing answers. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it, in order or by SIGKILL. */
  halt(how: "orderly" | "killed"): Promise<void>;
  /** Starts it after `halt`, and returns once it answers. */
  start(): Promise<void>;
}

/** `PostgreSQL 15.19: server binaries on this machine` */
export function describeServer(product: string, server: Pick<DatabaseServer, "version" | "way">): string {
  return `${product} ${server.version}: ${server.way}`;
}

/** Why a way does not exist here. Any other error means that it does exist, and failed. */
export class WayUnavailable extends Error {
  override readonly name = "WayUnavailable";
}

export interface Way<Server> {
  /** What to do to have it. */
  readonly advice: string;
  start(): Promise<Server>;
}

/** Goes the first way that exists; where none does, an error names all and says why not. */
export async function firstWay<Server>(product: string, ways: readonly Way<Server>[]): Promise<Server> {
  const reasons: string[] = [];
  for (const way of ways) {
    try {
      return await way.start();
    } catch (error) {
      if (!(error instanceof WayUnavailable)) throw error;
      reasons.push(`  - ${way.advice} (now: ${error.message})`);
    }
  }
  throw new Error(`${product} is needed, and there is no way to have it here. Do one of these:\n${reasons.join("\n")}`);
}
