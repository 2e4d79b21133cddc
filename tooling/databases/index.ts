/**
 * Real databases for tests and the demo. A server is, in this order: the one named by a variable, a
 * container if a Docker engine answers, or a process from local binaries. Without any of these, the
 * start fails.
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
