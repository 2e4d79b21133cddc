import { createHash } from "node:crypto";
import type { Task } from "@mcp-task-store/core";
import type { Redis } from "ioredis";
import { type Life, newTaskId, PROGRESS, REQUEST, RESULT } from "../lives.ts";

// A hash for each task, and a sorted set for creation order. Only scripts can protect a terminal
// task from changes, and they are sent by hash like prepared statements.
const INSERT = `
redis.call('HSET', KEYS[1], 'status', 'working', 'created', ARGV[2], 'updated', ARGV[2], 'ttl', ARGV[3], 'poll', '1000', 'request', ARGV[4])
if ARGV[3] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
return 1`;
const CHANGE = `
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'working' and status ~= 'input_required' then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[1], 'updated', ARGV[2], ARGV[3], ARGV[4])
return 1`;

/**
 * The same lifecycle on bare ioredis: three writes by script and two reads, one round trip each.
 */
export async function bareRedis(redis: Redis, prefix: string, ttl: number | null): Promise<Life> {
  const [insert, change] = await Promise.all([INSERT, CHANGE].map((lua) => loaded(redis, lua)));
  if (insert === undefined || change === undefined) throw new Error("the scripts were not loaded");
  const keyOf = (taskId: string) => `bare:${prefix}:task:${taskId}`;
  const order = `bare:${prefix}:tasks`;
  const write = (taskId: string, status: string, field: string, value: string) =>
    redis.evalsha(change, 1, keyOf(taskId), status, Date.now(), field, value);
  return {
    async create() {
      const taskId = newTaskId();
      await redis.evalsha(insert, 2, keyOf(taskId), order, taskId, Date.now(), ttl ?? "", JSON.stringify(REQUEST));
      return taskId;
    },
    progress: (taskId) => write(taskId, "working", "message", PROGRESS),
    complete: (taskId) => write(taskId, "completed", "result", JSON.stringify(RESULT)),
    async get(taskId) {
      const row = await redis.hmget(keyOf(taskId), "status", "message", "created", "updated", "ttl", "poll");
      const [status, message, created, updated, kept, poll] = row;
      if (!status) return null;
      return {
        taskId,
        status: status as Task["status"],
        ttl: kept ? Number(kept) : null,
        createdAt: new Date(Number(created)).toISOString(),
        lastUpdatedAt: new Date(Number(updated)).toISOString(),
        pollInterval: Number(poll),
        ...(message == null ? {} : { statusMessage: message }),
      };
    },
    async result(taskId) {
      const text = await redis.hget(keyOf(taskId), "result");
      return text ? JSON.parse(text) : undefined;
    },
  };
}

async function loaded(redis: Redis, lua: string): Promise<string> {
  await redis.script("LOAD", lua);
  return createHash("sha1").update(lua).digest("hex");
}
