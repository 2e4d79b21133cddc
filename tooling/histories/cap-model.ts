// An owner with a cap on active tasks, as the docstring of `Limits` describes it. It shares no code
// with core.
import type { Model } from "./checker.ts";
import type { CapCall, Operation, Seen } from "./operation.ts";

/** Most active tasks of such an owner. */
export const CAP = 3;
/** Tasks that an owner may have, of which each has a number. */
export const ITEMS = 8;

/** The tasks by their numbers: `-` there is none, `a` active, `e` ended. */
type Tasks = string;

/** What the call may answer, and what there is afterwards. */
type Way = { readonly next: Tasks } & ({ readonly error: RegExp } | { readonly shows: Seen });

export const capModel: Model<Tasks, Operation<CapCall>> = {
  initial: "-".repeat(ITEMS),
  step(tasks, { call, answer }) {
    const ways = waysOf(tasks, call);
    if (answer === "unknown") return ways.find((way) => "shows" in way && way.next !== tasks)?.next;
    return ways.find((way) =>
      "error" in answer
        ? "error" in way && way.error.test(answer.error)
        : "shows" in way && Object.entries(answer.seen).every(([field, value]) => way.shows[field] === value),
    )?.next;
  },
  isRead({ call, answer }) {
    if (answer === "unknown") return false;
    return call.do === "readCapped" || "error" in answer || answer.seen["removed"] === false;
  },
  key: (tasks) => tasks,
};

function waysOf(tasks: Tasks, call: CapCall): Way[] {
  const { do: what, item } = call;
  const now = tasks[item];
  const become = (state: string) => tasks.slice(0, item) + state + tasks.slice(item + 1);
  if (what === "createCapped" || what === "rerunCapped") {
    const first = what === "rerunCapped" ? tasks[call.first] : undefined;
    const isFull = tasks.split("a").length - 1 >= CAP;
    // Nothing says which of two refusals comes first. A rerun reads the first task before it
    // creates, so that nothing of that task holds at the creation: a read of its own checks it.
    return [
      ...(first === "-" ? [{ error: /^TASK_NOT_FOUND$/, next: tasks }] : []),
      ...(first === "a" ? [{ error: /^INVALID_ARGUMENT$/, next: tasks }] : []),
      ...(now === "-" ? [] : [{ error: /^TASK_EXISTS$/, next: tasks }]),
      ...(isFull ? [{ error: /^LIMIT_EXCEEDED$/, next: tasks }] : []),
      ...(now === "-" && !isFull ? [{ shows: {}, next: become("a") }] : []),
    ];
  }
  if (now === "-") return [{ error: /^TASK_NOT_FOUND$/, next: tasks }];
  const active = now === "a";
  switch (what) {
    case "readCapped":
      return [{ shows: { active }, next: tasks }];
    case "endCapped":
      return [active ? { shows: {}, next: become("e") } : { error: /^TASK_TERMINAL /, next: tasks }];
    case "removeCapped":
      return [{ shows: { removed: !active }, next: active ? tasks : become("-") }];
  }
}
