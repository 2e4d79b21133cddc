import type { Mutant } from "./mutant.ts";

/** Why no case can catch a mutant. It is found by its text, and so survives changes around it. */
export interface Reason {
  /** The end of the file's path. */
  readonly file: string;
  /** The line's text, or a part of it. */
  readonly line: string;
  /** The change as it is printed, or a part of it. Default: every change of the line. */
  readonly change?: string;
  readonly reason: string;
}

const TIMES = "The time of a foreign id: tooling/test/foreign-timing.test.ts";

/** By package, in the order of the files. */
export const reasons: readonly Reason[] = [
  {
    file: "core/src/store/backend-gateway.ts",
    line: "throw notFound(taskId);",
    change: "-> ;",
    reason: "The call reads the task next, and does not find it either",
  },
  {
    file: "core/src/store/change-hub.ts",
    line: "real.clearTimeout(this.#timer);",
    change: "-> ;",
    reason: "After the end the timer finds no watcher",
  },
  {
    file: "core/src/store/change-hub.ts",
    line: "this.#byTask.clear();",
    change: "-> ;",
    reason: "After the end: every watcher has its error",
  },
  {
    file: "core/src/store/change-hub.ts",
    line: "this.#expect(task.expiresAt - task.readAt + 1)",
    change: "1 -> 0",
    reason: "One millisecond, after which the fallback read comes",
  },
  {
    file: "core/src/store/inputs.ts",
    line: "if (task.revision <= refusedAt)",
    reason: "A backend that refuses wrongly: packages/core/test/wrong-answers.test.ts",
  },
  {
    file: "core/src/store/inputs.ts",
    line: 'if (!isTaskStoreError(error, "TASK_TERMINAL")) throw error;',
    change: "throw error; -> ;",
    reason: "Writes that fail: packages/core/test/wrong-answers.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "this.couldBeNarrower(needed) ? this.#restart",
    change: "-> false",
    reason: "Listening for too much only costs: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "if (!this.#gateway.closed) this.#gateway.report(error);",
    change: "!this.#gateway.closed ->",
    reason: "What is reported: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "this.#ended = this.#stop(this.#present)",
    change: "-> false",
    reason: "The end of the listening: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/message-queue.ts",
    line: "this.#gateway.report(error);",
    change: "-> ;",
    reason: "What is reported: packages/core/test/wrong-answers.test.ts",
  },
  {
    file: "core/src/store/message-queue.ts",
    line: "=== turn) this.#last.delete(taskId)",
    reason: "Only memory",
  },
  {
    file: "core/src/store/patches.ts",
    line: 'failed ? "error" : "result")',
    reason: "A word in the message of an error",
  },
  {
    file: "core/src/store/settings.ts",
    line: "options.codec && stages.length > 0",
    reason: "A codec without stages changes nothing",
  },
  {
    file: "core/src/store/snapshot.ts",
    line: "new Date(0).toISOString()",
    reason: "The date of the first millisecond of 1970",
  },
  {
    file: "core/src/store/sweeper.ts",
    line: "this.#stopped = true;",
    reason: "Sweeps after the end: packages/core/test/sweeper.test.ts",
  },
  {
    file: "core/src/store/sweeper.ts",
    line: "if (!this.#stopped) this.#gateway.report(error);",
    reason: "What is reported: packages/core/test/sweeper.test.ts",
  },
  {
    file: "core/src/store/waiting.ts",
    line: "if (scope !== null && !known)",
    reason: "The first read of a wait is one more, for the time of a foreign id",
  },
  {
    file: "core/src/store/change-hub.ts",
    line: 'this.#byTask.size === 0 ? "claims" : "changes"',
    reason: "Without waits, listening for claims alone only saves signals: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/change-hub.ts",
    line: "this.#bareLast = bare.length > 0",
    change: "> -> >=",
    reason: "One read of no tasks more, before a read with payloads",
  },
  {
    file: "core/src/store/creation.ts",
    line: "isLater(answer) ? await answer : answer",
    change: "-> true",
    reason: "An await more, which a test of speed alone would see",
  },
  {
    file: "core/src/store/creation.ts",
    line: "if (given.dedupeKey !== undefined)",
    reason: "Creations in a caller's transaction: packages/*/test/in-transaction.test.ts",
  },
  {
    file: "core/src/store/durable-task-store.ts",
    line: "traceMethods(DurableTaskStore.prototype);",
    reason: "Channels: tooling/test/channels.test.ts",
  },
  {
    file: "core/src/store/dedupe.ts",
    line: "if (!task) throw exists(wanted.taskId);",
    reason: "The task of a key would have to expire between two steps, several times in a row",
  },
  {
    file: "core/src/store/limited-claims.ts",
    line: "if (limited.size > 0 && !backend.claimLimited)",
    change: "0 -> 1",
    reason: "Over a backend that has no limits, and cases of limits end there at once",
  },
  {
    file: "core/src/store/limited-claims.ts",
    line: "this.#turn = (this.#turn + 1) % steps.length;",
    change: "+ -> -",
    reason: "The names take turns the other way round",
  },
  {
    file: "core/src/store/limited-claims.ts",
    line: "if (free.length > 0) steps.push(",
    change: "-> true",
    reason: "A claim of no names more, which takes nothing",
  },
  {
    file: "core/src/store/listening.ts",
    line: 'this.#possible(needed) === "claims" && this.#hears === "changes"',
    reason: "Listening for claims alone only saves signals: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: 'return hears === "claims" && backend.listenForClaims',
    reason: "Listening for claims alone only saves signals: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "let failed = false;",
    reason: "Only a backend that listens for claims alone has a listening before: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "failed = true;",
    reason: "Only a backend that listens for claims alone has a listening before: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "this.#hears = heard;",
    reason: "Only a backend that listens for claims alone has a listening before: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "if (before) void present.then(",
    reason: "Only a backend that listens for claims alone has a listening before: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: '(this.#hears === "changes" || this.#possible(needed) === "claims")',
    change: "|| -> &&",
    reason: "Listening begins again where it serves as well: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/listening.ts",
    line: "if (!this.#gateway.closed) this.#gateway.report(error);",
    change: "-> true",
    reason: "What is reported after close: packages/core/test/listening.test.ts",
  },
  {
    file: "core/src/store/message-queue.ts",
    line: "turn.then(forget, forget);",
    reason: "Only memory: a turn of a queue that is empty would be kept",
  },
  {
    file: "core/src/store/sweeper.ts",
    line: "const left = Math.min(limit - total, BATCH);",
    change: "- -> +",
    reason: "In memory one step deletes all; expiry/sweep-in-steps catches it over SQLite, whose steps are short",
  },
  {
    file: "core/src/store/waiting.ts",
    line: "over = true;",
    change: "-> ;",
    reason: "Only memory: a wait that ended during its first read would stay with the hub",
  },
  {
    file: "core/src/store/waiting.ts",
    line: "if (scope !== null && !known) watcher.onTask(",
    change: "-> false",
    reason: "The hub's read tells the same; the first one makes a foreign id take as long as an unknown one",
  },
  {
    file: "sqlite/src/events.ts",
    line: "task_id = ? AND set_aside = 0 ORDER BY seq LIMIT 1",
    change: "LIMIT 1 -> nothing",
    reason: "Only the first row is read",
  },
  {
    file: "sqlite/src/events.ts",
    line: "SET set_aside = 1, due_at = NULL",
    change: ", due_at = NULL -> nothing",
    reason: "The next look for events takes its time away, as that of an event that waits for another one",
  },
  {
    file: "sqlite/src/events.ts",
    line: "min(NEW.updated_at, strftime('%s', 'now') * 1000)",
    change: "1000 -> 1001",
    reason: "Later than any updated_at, which is then the smaller one; a store's own clock may run ahead",
  },
  {
    file: "sqlite/src/events.ts",
    line: "0, 0, NEW.revision, 0, NEW.task_id",
    change: "0 -> 1",
    reason: "The first one is the token, of which any will do; the attempt and set_aside have cases",
  },
  {
    file: "sqlite/src/messages.ts",
    line: "WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
    change: "? -> ? + 1",
    reason: "One more expired message in a step of a sweep, which core adds up",
  },
  {
    file: "sqlite/src/on-demand.ts",
    line: "ORDER BY lease_expires_at, position LIMIT 1",
    change: "1 -> 1 + 1",
    reason: "Only the first row is read",
  },
  {
    file: "sqlite/src/search.ts",
    line: "t.status = 'input_required' AND t.updated_at <= ?",
    change: "AND t.updated_at <= ? -> AND (1 OR ?)",
    reason: "Core checks the tasks of a search again, so it may find too many",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "SELECT max(position) FROM",
    change: "0 -> 1",
    reason: "The first number of an empty store: any will do",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "this.keepCounter = sql(",
    change: "0 -> 1",
    reason: "Tells of a change of a task that did not change, or of none",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "WHERE position > ? UNION ALL",
    change: "> -> >=",
    reason: "Tells of a change twice",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "WHERE id <> ? AND listens_until > ?",
    change: "> -> >=",
    reason: "A listener counts for one millisecond more",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
    change: "DESC",
    reason: "Reads show no expired task, in whatever order a sweep deletes them",
  },
  {
    file: "sqlite/src/statements.ts",
    line: "WHERE +status = '' AND position = CASE",
    reason: TIMES,
  },
  {
    file: "sqlite/src/statements.ts",
    line: "abs(random() % 256) END",
    reason: TIMES,
  },
  {
    file: "sqlite/src/turns.ts",
    line: "AND lease_expires_at > ? LIMIT ?)",
    change: "> -> >=",
    reason: "A place is free one millisecond later; a case cannot hit it",
  },
  {
    file: "core/src/store/waiting.ts",
    line: "over = true;",
    change: "true -> false",
    reason: "Only memory: a wait that ended during its first read would stay with the hub",
  },
  {
    file: "postgres/src/events.ts",
    line: "WHERE NOT blocked ORDER BY due_at, seq LIMIT $3",
    change: "seq -> seq DESC",
    reason: "Of events of several tasks that are due in the same millisecond, any may come first",
  },
  {
    file: "postgres/src/events.ts",
    line: "AND e.seq <> ALL (ARRAY(SELECT seq FROM gone)) ORDER BY e.seq LIMIT 1)",
    change: "ORDER BY e.seq -> nothing",
    reason: "The plan that the suite gets has this order; packages/postgres/test/events.test.ts has another plan",
  },
  {
    file: "postgres/src/messages.ts",
    line: "ORDER BY id FOR SHARE) AS held",
    change: "id -> id DESC",
    reason: "It can deadlock with a consumer then. The database ends one of the two, and the store repeats it",
  },
  {
    file: "postgres/src/migrate.ts",
    line: '("lock_migration", "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))")',
    change: "2 -> 3",
    reason: "Another number of the same lock",
  },
  {
    file: "postgres/src/search.ts",
    line: 'return owner === null ? "AND t.owner IS NULL"',
    change: "(owner)} -> nothing",
    reason: "Which index finds the tasks; the conditions on what was found ask for the owner, too",
  },
  {
    file: "postgres/src/session.ts",
    line: "OR EXISTS (SELECT FROM pg_settings WHERE source = 'session'",
    change: "= -> <>",
    reason: "Connections that the application has changed: packages/postgres/test/left-behind.test.ts",
  },
  {
    file: "postgres/src/settled.ts",
    line: "SELECT virtualtransaction AS writer FROM pg_locks WHERE locktype = 'relation'",
    change: "= -> <>",
    reason: "A task that commits late: packages/postgres/test/late-commits.test.ts",
  },
  {
    file: "postgres/src/statements.ts",
    line: ", $6::bigint))",
    change: "<= -> <",
    reason: "A task can be claimed one millisecond later; a case cannot hit it",
  },
  {
    file: "postgres/src/statements.ts",
    line: "lease_token = t.lease_token + 2 - t.lease_token % 2",
    change: "- -> +",
    reason: "Another larger even number",
  },
  {
    file: "postgres/src/statements.ts",
    line: "WHERE status = '' AND position = (",
    reason: TIMES,
  },
  {
    file: "postgres/src/statements.ts",
    line: "SELECT coalesce(max(position), -1) FROM",
    reason: TIMES,
  },
  {
    file: "postgres/src/statements.ts",
    line: "* CASE WHEN EXISTS (SELECT FROM",
    reason: TIMES,
  },
  {
    file: "postgres/src/turns.ts",
    line: "AND ($2::bigint IS NULL OR ${count(",
    change: "AND -> OR",
    reason: "A look before the claim, which decides by itself",
  },
  {
    file: "postgres/src/turns.ts",
    line: "SELECT CASE WHEN EXISTS (SELECT FROM",
    change: "= -> <>",
    reason: "The look before the claim has asked the same: it takes a pause between the two",
  },
  {
    file: "postgres/src/turns.ts",
    line: "tasks_by_turn: `(name, (",
    reason: "Which tasks an index has: packages/postgres/test/query-plans.test.ts",
  },
  {
    file: "postgres/src/turns.ts",
    line: "walked.found + (own.free > 0)::int",
    change: "0 -> 1",
    reason: "Looks at more owners than there is room for, and takes from the same ones",
  },
  {
    file: "redis/src/commands/batch.lua",
    line: "skipped[KEYS[i]] = true",
    reason: "The order of calls that are not awaited: packages/redis/test/together.test.ts",
  },
  {
    file: "redis/src/commands/claim.lua",
    line: "local firstField = #ARGV + 1",
    reason: "Takes the place of an argument that was read before",
  },
  {
    file: "redis/src/commands/claim-limited.lua",
    line: "local firstField = #ARGV + 1",
    change: "1 -> 0",
    reason: "Takes the place of the last argument, which was read before",
  },
  {
    file: "redis/src/commands/delete-expired.lua",
    line: "if #deleted > 0 then",
    change: "-> false",
    reason: "Only memory: packages/redis/test/operators.test.ts looks for what a sweep leaves",
  },
  {
    file: "redis/src/commands/includes/queue.lua",
    line: "if redis.call('ZREM', queue, taskId) == 1 and redis.call('EXISTS', queue) == 0 then",
    change: "-> false",
    reason: "An owner without tasks stays until the next claim with limits, which removes it",
  },
  {
    file: "redis/src/commands/insert.lua",
    line: "if capOfOwner and redis.call('ZCOUNT'",
    change: "'(' .. created -> created",
    reason: "A task counts for one millisecond more",
  },
  {
    file: "redis/src/commands/list.lua",
    line: "gone = gone + 1",
    reason: "Bounds how long the script runs",
  },
  {
    file: "redis/src/commands/push.lua",
    line: "local first = redis.call('LINDEX', messages, 0)",
    change: "0 -> 1",
    reason: "When expired messages go; a full queue is looked through",
  },
  {
    file: "redis/src/commands/remove.lua",
    line: "if #removed > 0 then",
    change: "-> false",
    reason: "Only memory: packages/redis/test/operators.test.ts looks for what a removal leaves",
  },
  {
    file: "redis/src/commands/rewrite.lua",
    line: "for i = 1, #ARGV, 3 do",
    change: "3 -> 4",
    reason: "Only the first text is replaced, and the others count as changed: the rotation looks again",
  },
  {
    file: "redis/src/commands/search.lua",
    line: "if found == mostFound or bytesRead >= MOST_READ then",
    change: "-> true",
    reason: "A step ends after one task, and the store goes on from there with the next step",
  },
  {
    file: "redis/src/commands/watch.lua",
    line: "return after == 'all' and 1 or 0",
    change: "1 -> 0",
    reason: "One more call, which finds that the set is filled",
  },
  {
    file: "redis/src/commands/watch.lua",
    line: "return after == 'all' and 1 or 0",
    change: "or -> and",
    reason: "More than 500 tasks before the first search: packages/redis/test/operators.test.ts",
  },
  {
    file: "includes/scope.lua",
    line: "found[1] and missing or other",
    reason: TIMES,
  },
  {
    file: "includes/scope.lua",
    line: "redis.call('ZRANDMEMBER', tasks) or ''",
    reason: TIMES,
  },
];

export function excuses({ file, line, change = "" }: Reason, mutant: Mutant): boolean {
  return mutant.file.endsWith(file) && mutant.lineText.includes(line) && mutant.change.includes(change);
}

export function reasonFor(mutant: Mutant): Reason | undefined {
  return reasons.find((each) => excuses(each, mutant));
}
