/** A database server that tests may use. */
export interface DatabaseServer {
  readonly url: string;
  readonly version: string;
  /** The origin of the server, such as "server binaries on this machine". */
  readonly way: string;
  /** Ends the server, if we started it, and removes its data. */
  stop(): Promise<void>;
}

/** A server for the caller alone, which the caller may harm. */
export interface OwnServer extends DatabaseServer {
  readonly control: ServerControl;
}

/** The faults that a test can cause. The server keeps its address and its data. */
export interface ServerControl {
  /** Freezes the server: connections stay open and can be opened, but no answer comes. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the server gracefully or by SIGKILL. */
  halt(how: "orderly" | "killed"): Promise<void>;
  /** Starts the server after `halt`, and returns once it answers. */
  start(): Promise<void>;
}

/** `PostgreSQL 15.19: server binaries on this machine` */
export function describeServer(product: string, server: Pick<DatabaseServer, "version" | "way">): string {
  return `${product} ${server.version}: ${server.way}`;
}

/**
 * The reason why a way does not exist here. Any other error means that the way exists but failed.
 */
export class WayUnavailable extends Error {
  override readonly name = "WayUnavailable";
}

export interface Way<Server> {
  /** Advice to a developer on how to make it available. */
  readonly advice: string;
  start(): Promise<Server>;
}

/** Takes the first way that exists. Without any, the error names each way with its reason. */
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
