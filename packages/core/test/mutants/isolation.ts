import { ANY_OWNER, TaskStoreError } from "@mcp-task-store/core";
import {
  type Guard,
  isInScope,
  type ListQuery,
  type OwnerScope,
  type Patch,
  type PayloadField,
} from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

class Open extends MutableBackend {
  override async read(taskId: string, _: OwnerScope, payloads: readonly PayloadField[]) {
    return super.read(taskId, null, payloads);
  }
  override async update(taskId: string, guard: Guard, patch: Patch) {
    return super.update(taskId, { ...guard, scope: null }, patch);
  }
  override async list(query: ListQuery) {
    return super.list({ ...query, scope: null });
  }
}

class FilteringLate extends MutableBackend {
  override async list({ scope, ...query }: ListQuery) {
    return (await super.list({ ...query, scope: null })).filter((task) => isInScope(scope, task.owner));
  }
}

class Shareless extends MutableBackend {
  override async list(query: ListQuery) {
    return super.list({ ...query, scope: query.scope && { ...query.scope, orUnowned: false } });
  }
}

export const isolationMutants: Mutant[] = [
  {
    id: "no-isolation",
    breaks: "The backend does not look at owners",
    kills: [
      "isolation/foreign-get",
      "isolation/foreign-list",
      "isolation/foreign-update-task-status",
      "isolation/foreign-store-task-result",
      "isolation/foreign-get-task-result",
      "isolation/foreign-update-task",
      "isolation/foreign-finish-task",
      "isolation/foreign-cancel-task",
      "isolation/foreign-request-inputs",
      "isolation/foreign-provide-inputs",
      "isolation/foreign-acquire-lease",
      "isolation/strict",
      "isolation/owner-of-session",
      "isolation/owners-are-compared-exactly",
      "isolation/no-word-of-the-owner",
      "processes/read-your-writes",
    ],
    backend: Open,
  },
  {
    id: "open-waits",
    breaks: "A wait sees every owner's task",
    kills: [
      "isolation/foreign-await-input",
      "isolation/foreign-wait-for-task",
      "isolation/foreign-wait-for-change",
      "isolation/foreign-wait-for-result",
      "isolation/no-word-of-the-owner",
    ],
    store: (store) => ({
      waitForTask: (taskId, options) => store.waitForTask(taskId, { ...options, owner: ANY_OWNER }),
      waitForResult: (taskId, options) => store.waitForResult(taskId, { ...options, owner: ANY_OWNER }),
      awaitInput: (taskId, key, options) => store.awaitInput(taskId, key, { ...options, owner: ANY_OWNER }),
    }),
  },
  {
    id: "events-to-everyone",
    breaks: "Events reach every subscriber",
    kills: ["isolation/foreign-subscription", "isolation/foreign-events"],
    store: (store) => ({
      subscribe: (listener, options) => store.subscribe(listener, { ...options, owner: ANY_OWNER }),
    }),
  },
  {
    id: "forbidden",
    breaks: "A foreign task is reported as forbidden",
    kills: ["isolation/foreign-get-task-result", "isolation/no-word-of-the-owner"],
    store: (store) => ({
      async getTaskResult(taskId, sessionId) {
        const record = await store.getRecord(taskId, { owner: ANY_OWNER });
        if (record?.owner !== undefined && sessionId !== undefined && record.owner !== sessionId)
          throw new TaskStoreError("TASK_NOT_FOUND", "This task is not yours", { taskId });
        return store.getTaskResult(taskId, sessionId);
      },
    }),
  },
  {
    id: "filters-after-paging",
    breaks: "Pages are cut before they are filtered",
    kills: ["isolation/pages-are-full"],
    backend: FilteringLate,
  },
  {
    id: "unowned-hidden",
    breaks: "Lists leave out unowned tasks",
    kills: ["isolation/foreign-list"],
    backend: Shareless,
  },
  {
    id: "always-strict",
    breaks: "Isolation is strict, although the options say otherwise",
    kills: ["isolation/call-without-owner", "isolation/unowned-task"],
    options: (options) => ({ ...options, isolation: "strict" }),
  },
  {
    id: "never-strict",
    breaks: "`isolation` is an option that nothing reads",
    kills: ["isolation/strict"],
    options: ({ isolation: _, ...options }) => options,
  },
  {
    id: "lax-owners",
    breaks: "`owner` alone leaves every task to callers without one",
    kills: ["isolation/owner-implies-strict"],
    options: (options) => ({ isolation: "sdk", ...options }),
  },
  {
    id: "any-owner-is-none",
    breaks: "ANY_OWNER is treated as a call without an owner",
    kills: ["isolation/any-owner"],
    store: (store) => ({
      acquireLease: (taskId, { owner, ...options } = {}) =>
        store.acquireLease(taskId, owner === ANY_OWNER ? options : { owner, ...options }),
    }),
  },
  {
    id: "sessions-only",
    breaks: "`owner` is an option that nothing reads",
    kills: ["isolation/owner-of-session"],
    options: ({ owner: _, ...options }) => options,
  },
  {
    id: "owners-ignore-case",
    breaks: "Owners are compared without regard to case",
    kills: ["isolation/owners-are-compared-exactly"],
    options: (options) => ({ ...options, owner: (session) => session?.toLowerCase() }),
  },
];
