import { styleText } from "node:util";
import { type DirectoryDigest, SKIPPED } from "./files.ts";
import type { HashDirectoryResult } from "./hash-directory.ts";
import type { Place } from "./place.ts";
import type { DemoStore } from "./stores.ts";

// The demo's texts.

export function begin(store: DemoStore, dir: string, protocol: string): void {
  say(styleText("bold", `\nA task on an MCP server that gets killed. Tasks are kept in ${store.title}.\n`));
  say(`Client and server speak MCP ${protocol}.`);
  say(`The work: SHA-256 of every file under ${dir}`);
  say(styleText("dim", `(without ${SKIPPED}; links are not followed).`));
}

export function ready({ origin }: Place): void {
  if (origin !== undefined) say(`The database is ${origin}`);
}

export function work({ files, bytes }: DirectoryDigest, straightMs: number, pauseMs: number): void {
  say(
    `Done straight, without a task: ${files} files, ${size(bytes)}, in ${seconds(straightMs)}. The task has to match that.`,
  );
  if (pauseMs > 0) say(`Too fast to watch, so the tool pauses for ${pauseMs} ms before each file.`);
  say("");
}

export function called(server: number, taskId: string): void {
  step("▶", "green", `Server 1 (process ${server}) runs hash_directory as task ${taskId}`);
}

export function joined(server: number): void {
  step("▶", "green", `Server 2 (process ${server}) runs beside it. The client asks both in turn`);
}

export function killed(server: number, done: number, total: number): void {
  step("✗", "red", `Killed server 1 (process ${server}) with SIGKILL, ${done} of ${total} files into the work`);
}

export function reconnected(server: number): void {
  step("▶", "green", `Started server 2 (process ${server}). The client connects anew, with nothing but the task id`);
}

export function wentOn(server: number): void {
  step("▶", "green", `The client goes on with server 2 (process ${server}), whose worker will take the task over`);
}

export function finished(
  result: HashDirectoryResult,
  run: { first: number; second: number; takeoverMs: number; totalMs: number },
): void {
  const { files, sha256, attempt, hashedBy } = result;
  step("✓", "green", styleText("bold", `The task outlived its server, all ${files} files are hashed:`));
  say(`    server 1 hashed ${hashedBy[run.first]}, then was killed`);
  say(
    `    server 2 went on ${seconds(run.takeoverMs)} later as attempt ${attempt}, and hashed the other ${hashedBy[run.second]}`,
  );
  say(`    sha256 ${sha256}`);
  say(`    verified: the same as the straight computation. ${seconds(run.totalMs)} in all.\n`);
}

export function lost(done: number, refusal: string): void {
  step("✓", "yellow", styleText("bold", "As expected, the task died with its server:"));
  say(`    server 2 says "${refusal}"`);
  say(`    ${done} hashed files are lost, and the client holds an id that nobody knows.`);
  say("    With a durable store the task survives the same kill: try --store sqlite.\n");
}

function say(line: string): void {
  console.log(line);
}

function step(symbol: string, colour: "green" | "red" | "yellow", line: string): void {
  say(`${styleText(colour, symbol)} ${line}`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 100 ? 2 : 1)} s`;
}

function size(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  return `${(bytes / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
