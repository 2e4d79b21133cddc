import type { Answer, Json, Peer } from "./rpc.ts";
import { PLAIN } from "./rpc.ts";

/** The result of a call, as a client that knows no tasks reads it. */
export interface PlainResult {
  readonly text: string;
  readonly isError: boolean;
  readonly structured: Json;
}

/** Calls a tool without tasks. */
export type PlainCall = (name: string, args?: Json, signal?: AbortSignal) => Promise<PlainResult>;

/** The clients of both generations that know no tasks. */
export const GENERATIONS: readonly { generation: string; caller: (peer: Peer) => PlainCall }[] = [
  {
    generation: "2026-07-28",
    caller: (peer) => async (name, args, signal) =>
      read(await peer.ask("tools/call", { name, arguments: args ?? {} }, PLAIN, signal)),
  },
  {
    generation: "2025-11-25",
    caller: (peer) => async (name, args, signal) =>
      read(await peer.askOld("tools/call", { name, arguments: args ?? {} }, signal)),
  },
];

function read({ result, text }: Answer): PlainResult {
  if (!result) throw new Error(`Expected a result, got ${text}`);
  const {
    content,
    isError = false,
    structuredContent = {},
  } = result as {
    content: { text: string }[];
    isError?: boolean;
    structuredContent?: Json;
  };
  return { text: content.map((each) => each.text).join("\n"), isError, structured: structuredContent };
}
