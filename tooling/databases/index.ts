/**
 * Real databases for tests and the demo. A server is, in this order: the one that a variable names, a container where a
 * Docker engine answers, a process of binaries on this machine. Where there is none of these, starting it fails.
 */
export { type PostgresOptions, startOwnPostgres, startPostgres } from "./postgres.ts";
export { type RedisOptions, startOwnRedis, startRedis } from "./redis.ts";
export {
  type OwnRedisCluster,
  type RedisCluster,
  type RedisClusterOptions,
  startOwnRedisCluster,
  startRedisCluster,
} from "./redis-cluster.ts";
export { type DatabaseServer, describeServer, type OwnServer, type ServerControl } from "./server.ts";
