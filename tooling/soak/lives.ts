/** The ways in which a client leads a task from its creation to its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { ABLE, type Answer, type Json, type Peer, PLAIN } from "../test/serving/support/rpc.ts";

/** An acknowledged task that is gone, or has another end than it should. */
export class LostTask extends Error {}

type Life = (peer: Peer) => Promise<void>;

/** No task takes so long, even if its runner is lost several times. */
const PATIENCE_MS = 240_000;

/** After a failure, such as a database that is away. */
const PAUSE_MS = 100;

export const LIVES: Readonly<Record<string, Life>> = {
  here: async (peer) => follow(peer, (await peer.start("here")).taskId),
  there: async (peer) => follow(peer, (await peer.start("there")).taskId),
  steps: async (peer) => follow(peer, (await peer.start("steps")).taskId),
  again: async (peer) => follow(peer, (await peer.start("again")).taskId),
  asks: async (peer) => {
    const { taskId } = await peer.start("asks");
    await follow(peer, taskId, "completed", ({ inputRequests }) => {
      const keys = Object.keys((inputRequests as object | undefined) ?? {});
      return peer.update(taskId, Object.fromEntries(keys.map((key) => [key, { action: "accept", content: {} }])));
    });
  },
  cancelled: async (peer) => {
    const { taskId } = await peer.start("endless");
    await follow(peer, taskId, "cancelled", () => peer.cancel(taskId));
  },
  listening: async (peer) => {
    const { taskId } = await peer.start("there");
    await listen(peer, taskId, true);
    await follow(peer, taskId);
  },
  leaving: async (peer) => {
    const { taskId } = await peer.start("here");
    await listen(peer, taskId, false);
    await follow(peer, taskId);
  },
  older: async (peer) => {
    const { taskId } = await peer.startOld("here");
    const { result } = await peer.askOld("tasks/result", { taskId }, AbortSignal.timeout(30_000)).catch(failure);
    if (result) return;
    await follow(peer, taskId);
  },
  inline: (peer) => answered(peer, "there"),
  // The server learns by the end of the connection that the client has left.
  abandoned: async (peer) => {
    const given = AbortSignal.timeout(15);
    await peer.ask("tools/call", { name: "there", arguments: {} }, PLAIN, given).catch(failure);
  },
  inside: (peer) => answered(peer, "inside"),
};

/** Calls the tool without a task. The answer may be an error, but it has to come. */
async function answered(peer: Peer, name: string): Promise<void> {
  try {
    await peer.ask("tools/call", { name, arguments: {} }, PLAIN, AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    if ((error as Error).name === "TimeoutError") throw new LostTask("a call is not answered");
    throw error;
  }
}

/** Polls the task until its end, through all failures, and acts while it has questions or runs. */
async function follow(
  peer: Peer,
  taskId: string,
  end = "completed",
  act: (task: Json) => Promise<unknown> = async () => undefined,
): Promise<void> {
  const begun = Date.now();
  for (;;) {
    const {
      result: task,
      error,
      text,
    } = await peer.ask("tasks/get", { taskId }, ABLE, AbortSignal.timeout(PATIENCE_MS / 4)).catch(failure);
    if (error?.code === -32602)
      throw new LostTask(`an acknowledged task is gone, ${Date.now() - begun} ms later: ${taskId} ${text}`);
    if (Date.now() - begun > PATIENCE_MS) throw new LostTask(`a task does not end: ${text}`);
    if (!task) await sleep(PAUSE_MS);
    else if (task["status"] === end) return;
    else if (["completed", "failed", "cancelled"].includes(task["status"] as string))
      throw new LostTask(`a task ended otherwise than ${end}: ${text}`);
    else await act(task).catch(failure);
  }
}

/** Follows the task on a stream, to its end or only to its first state. A cut ends it as well. */
async function listen(peer: Peer, taskId: string, toTheEnd: boolean): Promise<void> {
  try {
    const stream = await peer.listen([taskId], {}, AbortSignal.timeout(10_000));
    try {
      await stream.acknowledged();
      await stream.state(({ status }) => !toTheEnd || status === "completed");
    } finally {
      await stream.leave();
    }
  } catch {
    // The task is followed by polls from here.
  }
}

function failure(error: unknown): Answer {
  return { text: String(error) };
}
