/** The steps of the demo, in order. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Connection, callAsTask, connect, follow, progressOf, resultOf, taskOf } from "./client.ts";
import { type DirectoryDigest, hashStraight } from "./files.ts";
import type { DemoOptions, Protocol } from "./options.ts";
import { ProgressBar } from "./progress-bar.ts";
import { ServerProcess } from "./server-process.ts";
import { type DemoStore, storeNamed } from "./stores.ts";
import * as story from "./story.ts";
import { problemsOf } from "./verify.ts";

/** A task without progress for this long is stuck, even on a slow machine. */
const STALL_MS = 60_000;

/** @throws Error that names the problem */
export async function runDemo(
  { dir, store: name, paceMs, leaseMs, protocol }: DemoOptions,
  signal: AbortSignal,
): Promise<void> {
  const store = storeNamed(name);
  // Cleans up in reverse order at every end of this function.
  await using cleanUp = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "mcp-task-store-demo-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  story.begin(store, dir, protocol);
  const startedAt = performance.now();
  const straight = await hashStraight(dir, signal);
  const straightMs = performance.now() - startedAt;
  if (straight.files < 2) throw new Error(`${dir} has fewer than two files, so there is no half-way`);
  const pauseMs = Math.floor(Math.max(0, paceMs - straightMs) / straight.files);
  story.work(straight, straightMs, pauseMs);

  const token = randomUUID();
  const place = await store.prepare(folder, cleanUp);
  story.ready(place);
  const startServer = async (): Promise<RunningServer> => {
    signal.throwIfAborted();
    const server = cleanUp.use(new ServerProcess({ store: name, place, token, leaseMs }));
    return { server, connection: await connectTo(server, token, protocol, signal, cleanUp) };
  };

  const [{ server: first, connection: firstConnection }, beside] = await Promise.all([
    startServer(),
    store.beside ? startServer() : undefined,
  ]);
  const taskId = await callAsTask(firstConnection, { dir, pauseMs }, signal);
  const watched = { taskId, stallMs: STALL_MS + leaseMs + straightMs + pauseMs, signal };
  story.called(first.pid, taskId);

  if (beside) story.joined(beside.server.pid);
  const doneAtKill = await watchHalf({
    connections: beside ? [beside.connection, firstConnection] : [firstConnection],
    ...watched,
  });
  await first.kill();
  const killedAt = performance.now();
  await firstConnection.close();
  story.killed(first.pid, doneAtKill, straight.files);

  // Only the id of the task remains from the first part.
  const { server: second, connection: secondConnection } = beside ?? (await startServer());
  if (beside) story.wentOn(second.pid);
  else story.reconnected(second.pid);
  if (!store.durable) {
    story.lost(doneAtKill, await refusalOf(secondConnection, taskId, store, signal));
    return;
  }
  const takeoverMs = (await watchRest({ connections: [secondConnection], ...watched })) - killedAt;
  const result = await resultOf(secondConnection, taskId, signal);

  const problems = problemsOf({
    result,
    straight,
    firstServer: first.pid,
    secondServer: second.pid,
    firstServerEndedBy: first.endedBy,
    doneAtKill,
  });
  if (problems.length > 0) {
    await refuseIfChanged(dir, straight, signal);
    throw new Error(problems.join("\n"));
  }
  story.finished(result, { first: first.pid, second: second.pid, takeoverMs, totalMs: performance.now() - startedAt });
}

interface RunningServer {
  server: ServerProcess;
  connection: Connection;
}

async function connectTo(
  server: ServerProcess,
  token: string,
  protocol: Protocol,
  signal: AbortSignal,
  cleanUp: AsyncDisposableStack,
): Promise<Connection> {
  const connection = await connect(await server.url(signal), token, protocol, signal);
  cleanUp.defer(() => connection.close());
  return connection;
}

/** Watches until half of the files are done, and returns how many are. */
async function watchHalf(watched: Watched): Promise<number> {
  const toldBy = new Set<Connection>();
  for await (const { status, done, total, connection } of watch(watched)) {
    if (status === "failed") await resultOf(connection, watched.taskId, watched.signal);
    if (status !== "working") break;
    toldBy.add(connection);
    if (done < total && 2 * done >= total && toldBy.size === watched.connections.length) return done;
  }
  throw new Error("the work was over before half of it was seen: use a larger --pace");
}

/** Watches until the task has ended, and returns the time of its first progress. */
async function watchRest(watched: Watched): Promise<number> {
  let found: number | undefined;
  let wentOnAt: number | undefined;
  for await (const { done } of watch(watched)) {
    found ??= done;
    if (done > found) wentOnAt ??= performance.now();
  }
  return wentOnAt ?? performance.now();
}

interface Watched {
  /** The user's connections, to one server or more. */
  connections: readonly [Connection, ...Connection[]];
  taskId: string;
  stallMs: number;
  signal: AbortSignal;
}

/** Follows the task and draws its progress. */
async function* watch({ connections, taskId, ...options }: Watched) {
  const bar = new ProgressBar();
  let last = 0;
  try {
    for await (const { task, connection } of follow(connections, taskId, options)) {
      const { done, total } = progressOf(task);
      // No server may show an older state than another one did.
      if (done < last) throw new Error(`after ${last} files were done, a server said that ${done} were`);
      last = done;
      bar.draw(done, total);
      yield { status: task.status, done, total, connection };
    }
  } finally {
    bar.end();
  }
}

/** The second server's error for a task that only the first one knew. */
async function refusalOf(
  connection: Connection,
  taskId: string,
  store: DemoStore,
  signal: AbortSignal,
): Promise<string> {
  try {
    await taskOf(connection, taskId, signal);
  } catch (error) {
    if (error instanceof Error && /not found/i.test(error.message)) return error.message;
    throw error;
  }
  throw new Error(`the task survived, although ${store.title} should not keep it`);
}

/** Ends the demo with advice if a file has changed since its start. */
async function refuseIfChanged(dir: string, before: DirectoryDigest, signal: AbortSignal): Promise<void> {
  const { sha256 } = await hashStraight(dir, signal);
  if (sha256 !== before.sha256) throw new Error(`files under ${dir} changed meanwhile, please run it again`);
}
