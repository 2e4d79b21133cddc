/** What happens in the demo, in its order. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { McpError } from "@modelcontextprotocol/sdk/types.js";
import { callAsTask, connect, follow, progressOf, resultOf } from "./client.ts";
import { type DirectoryDigest, hashStraight } from "./files.ts";
import type { DemoOptions } from "./options.ts";
import { ProgressBar } from "./progress-bar.ts";
import { ServerProcess } from "./server-process.ts";
import { type DemoStore, storeNamed } from "./stores.ts";
import * as story from "./story.ts";
import { problemsOf } from "./verify.ts";

/** A task that makes no progress for so long is stuck. */
const STALL_MS = 10_000;

/** @throws Error that says what went wrong */
export async function runDemo({ dir, store: name, paceMs }: DemoOptions, signal: AbortSignal): Promise<void> {
  const store = storeNamed(name);
  // Undone in reverse order, however this function ends.
  await using cleanUp = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "mcp-task-store-demo-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  story.begin(store, dir);
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
    const server = cleanUp.use(new ServerProcess({ store: name, place, token }));
    return { server, client: await connectTo(server, token, signal, cleanUp) };
  };

  const { server: first, client: firstClient } = await startServer();
  const { taskId } = await callAsTask(firstClient, { dir, pauseMs }, signal);
  const watched = { taskId, stallMs: STALL_MS + straightMs + pauseMs, signal };
  story.called(first.pid, taskId);

  let beside: RunningServer | undefined;
  if (store.beside) {
    // Not earlier, for then either of the two workers might take the task.
    await watchBegin({ clients: [firstClient], ...watched });
    beside = await startServer();
    story.joined(beside.server.pid);
  }
  const doneAtKill = await watchHalf({
    clients: beside ? [beside.client, firstClient] : [firstClient],
    ...watched,
  });
  await first.kill();
  const killedAt = performance.now();
  await firstClient.close();
  story.killed(first.pid, doneAtKill, straight.files);

  // All that is left of the first part is the id of the task.
  const { server: second, client: secondClient } = beside ?? (await startServer());
  if (beside) story.wentOn(second.pid);
  else story.reconnected(second.pid);
  if (!store.durable) {
    story.lost(doneAtKill, await refusalOf(secondClient, taskId, store, signal));
    return;
  }
  const takeoverMs = (await watchRest({ clients: [secondClient], ...watched })) - killedAt;
  const result = await resultOf(secondClient, taskId, signal);

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
  /** A session with it. */
  client: Client;
}

async function connectTo(
  server: ServerProcess,
  token: string,
  signal: AbortSignal,
  cleanUp: AsyncDisposableStack,
): Promise<Client> {
  const client = await connect(await server.url(signal), token, signal);
  cleanUp.defer(() => client.close());
  return client;
}

/** Watches until a server works on the task. */
async function watchBegin({ clients, taskId, ...options }: Watched): Promise<void> {
  for await (const { task } of follow(clients, taskId, options)) if (progressOf(task).total > 0) return;
}

/** Watches until half of the files are done, and returns how many are. */
async function watchHalf(watched: Watched): Promise<number> {
  const toldBy = new Set<Client>();
  for await (const { status, done, total, client } of watch(watched)) {
    if (status === "failed") await resultOf(client, watched.taskId, watched.signal);
    if (status !== "working") break;
    toldBy.add(client);
    if (done < total && 2 * done >= total && toldBy.size === watched.clients.length) return done;
  }
  throw new Error("the work was over before half of it was seen: use a larger --pace");
}

/** Watches until the task has ended, and returns when it first went on. */
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
  /** Sessions of the user with one server or more. */
  clients: readonly [Client, ...Client[]];
  taskId: string;
  stallMs: number;
  signal: AbortSignal;
}

/** Follows the task and draws how far it is. */
async function* watch({ clients, taskId, ...options }: Watched) {
  const bar = new ProgressBar();
  let last = 0;
  try {
    for await (const { task, client } of follow(clients, taskId, options)) {
      const { done, total } = progressOf(task);
      // Neither server is behind the other.
      if (done < last) throw new Error(`after ${last} files were done, a server said that ${done} were`);
      last = done;
      bar.draw(done, total);
      yield { status: task.status, done, total, client };
    }
  } finally {
    bar.end();
  }
}

/** What the second server says of a task that only the first one knew. */
async function refusalOf(client: Client, taskId: string, store: DemoStore, signal: AbortSignal): Promise<string> {
  try {
    await client.experimental.tasks.getTask(taskId, { signal });
  } catch (error) {
    if (error instanceof McpError && /not found/i.test(error.message)) {
      // The SDK puts the code in front, on either side of the wire.
      return error.message.replace(/^(MCP error -?\d+: )+/, "");
    }
    throw error;
  }
  throw new Error(`the task survived, although ${store.title} should not keep it`);
}

/** Somebody who saves a file meanwhile has not found a fault. */
async function refuseIfChanged(dir: string, before: DirectoryDigest, signal: AbortSignal): Promise<void> {
  const { sha256 } = await hashStraight(dir, signal);
  if (sha256 !== before.sha256) throw new Error(`files under ${dir} changed meanwhile, please run it again`);
}
