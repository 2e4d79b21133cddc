/** The part of an ioredis `Redis` or `Cluster` that the store uses. Pass yours as `client`. */
export interface RedisClient {
  readonly options: { readonly keyPrefix?: string | undefined };
  readonly isCluster?: boolean;
  duplicate(...args: never[]): unknown;
}

/** A connection to a server, or the connections to a cluster. */
export interface Driver {
  readonly status: string;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: (...args: never[]) => void): unknown;
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
  eval(lua: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
}

/** A socket. */
export interface NodeStream {
  unref?(): unknown;
  cork(): void;
  uncork(): void;
}

/** A connection to one server. */
export interface NodeDriver extends Driver {
  readonly options: { readonly host?: string | undefined; readonly port?: number | undefined; readonly db?: number };
  readonly stream?: NodeStream;
  duplicate(override: object): NodeDriver;
  ssubscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
}

export interface ClusterDriver extends Driver {
  /** `host:port` of the nodes of each slot, the primary first. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: "master"): readonly NodeDriver[];
  cluster(subcommand: "KEYSLOT", key: string): Promise<number>;
}

/** The sockets that commands may go to. */
export function streamsOf(driver: Driver): NodeStream[] {
  const nodes = "nodes" in driver ? (driver as ClusterDriver).nodes("master") : [driver as NodeDriver];
  return nodes.flatMap(({ stream }) => stream ?? []);
}
