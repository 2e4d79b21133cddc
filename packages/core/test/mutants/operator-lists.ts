import { ANY_OWNER, isTaskStoreError, type TaskFilter } from "@mcp-task-store/core";
import {
  matchesFilter,
  type PayloadField,
  type SearchFilter,
  type SearchPage,
  type SearchQuery,
  type StoredTask,
  searchByList,
} from "@mcp-task-store/core/backend";
import { MutableBackend, type Mutant } from "./mutant.ts";

/** A backend with a search of its own, which changes queries and pages. */
function searching(
  query: (query: SearchQuery) => SearchQuery,
  page: (page: SearchPage, query: SearchQuery) => SearchPage = (page) => page,
): typeof MutableBackend {
  return class extends MutableBackend {
    async search(asked: SearchQuery): Promise<SearchPage> {
      return page(await searchByList(this, query(asked)), asked);
    }
  };
}

/** A backend whose search reads each condition of the filter in its own way. */
function filtering(filter: (filter: SearchFilter) => SearchFilter): typeof MutableBackend {
  return searching((query) => ({ ...query, filter: filter(query.filter) }));
}

/** A backend whose search leaves out tasks that others of its kind would find. */
function missing(
  isMissed: (task: StoredTask, filter: SearchFilter) => boolean,
  payloads: readonly PayloadField[] = [],
): typeof MutableBackend {
  return searching(
    (query) => ({ ...query, payloads: [...new Set([...query.payloads, ...payloads])] }),
    (page, { filter }) => ({ ...page, tasks: page.tasks.filter((task) => !isMissed(task, filter)) }),
  );
}

/** A search that reads the rows itself. */
class Rows extends MutableBackend {
  async search({ filter, order, after, limit }: SearchQuery): Promise<SearchPage> {
    const sign = order === "oldest" ? 1 : -1;
    const all = this.raw
      .prepare("select record from tasks")
      .all()
      .map(({ record }) => ({ ...JSON.parse(record as string), readAt: this.now() }) as StoredTask)
      .toSorted((one, other) => sign * (one.position - other.position));
    const beyond = all.filter(({ position }) => after === null || sign * position > sign * after);
    const tasks = beyond.filter((task) => matchesFilter(task, filter)).slice(0, limit);
    return { tasks, scanned: beyond.length, next: tasks.length < limit ? null : (tasks.at(-1)?.position ?? null) };
  }
}

const turned = ({ order }: SearchQuery) => (order === "newest" ? "oldest" : "newest");

export const operatorListMutants: Mutant[] = [
  {
    id: "search-is-reversed",
    breaks: "A search goes the other way",
    kills: ["operators/pages"],
    backend: searching((query) => ({ ...query, order: turned(query) })),
  },
  {
    id: "search-from-the-beginning",
    breaks: "A search ignores the position after which it goes on",
    kills: ["operators/pages", "operators/bounded-pages"],
    backend: searching((query) => ({ ...query, after: null })),
  },
  {
    id: "search-includes-its-start",
    breaks: "A search finds the task at which the last page ended again",
    kills: ["operators/pages", "operators/many-tasks"],
    backend: searching((query) => {
      const back = query.order === "oldest" ? -1 : 1;
      return query.after === null ? query : { ...query, after: query.after + back };
    }),
  },
  {
    id: "search-skips-one-more",
    breaks: "A search reads one task more, and goes on after that one",
    kills: ["operators/pages"],
    backend: searching(
      (query) => ({ ...query, limit: query.limit + 1 }),
      (page, { limit }) => ({ ...page, tasks: page.tasks.slice(0, limit) }),
    ),
  },
  {
    id: "search-ends-at-the-limit",
    breaks: "A search says that there are no more tasks than its page has",
    kills: ["operators/pages", "operators/many-tasks"],
    backend: searching(
      (query) => query,
      (page) => ({ ...page, next: null }),
    ),
  },
  {
    id: "search-ends-at-an-empty-page",
    breaks: "A search that found nothing says that there are no more tasks",
    kills: ["operators/bounded-pages"],
    backend: searching(
      (query) => query,
      (page) => (page.tasks.length === 0 ? { ...page, next: null } : page),
    ),
  },
  {
    id: "search-goes-on-after-the-last-found",
    breaks: "A search that found nothing goes on where it began",
    kills: ["operators/bounded-pages"],
    backend: searching(
      (query) => query,
      (page, { after }) => (page.next === null ? page : { ...page, next: page.tasks.at(-1)?.position ?? after }),
    ),
  },
  {
    id: "search-looks-at-everything",
    breaks: "A search looks at more tasks than it may",
    kills: ["operators/bounded-pages"],
    backend: searching((query) => ({ ...query, scan: 1e9 })),
  },
  {
    id: "search-finds-the-expired",
    breaks: "A search finds expired tasks that are not deleted yet",
    kills: ["operators/expired"],
    backend: Rows,
  },
  {
    id: "search-forgets-questions",
    breaks: "Only working tasks are searched as active ones",
    kills: ["operators/filters", "operators/stuck", "operators/stats"],
    backend: filtering(({ statuses, ...rest }) => ({
      ...rest,
      ...(statuses && { statuses: statuses.filter((status) => status !== "input_required") }),
    })),
  },
  {
    id: "search-without-null",
    breaks: "A search for tasks without owner compares with `= NULL`",
    kills: ["operators/filters"],
    backend: missing((task, { owners }) => owners !== undefined && task.owner === null),
  },
  {
    id: "search-joins-names",
    breaks: "The names of a search are joined by commas",
    kills: ["operators/filters"],
    backend: filtering(({ names, ...rest }) => ({ ...rest, ...(names && { names: names.join().split(",") }) })),
  },
  {
    id: "search-by-whole-id",
    breaks: "The beginning of an id is compared with the whole id",
    kills: ["operators/filters"],
    backend: missing(({ taskId }, { idPrefix }) => idPrefix !== undefined && idPrefix !== taskId),
  },
  {
    id: "search-more-attempts",
    breaks: "The least number of attempts is left out",
    kills: ["operators/filters"],
    backend: missing(({ attempt }, { attempts }) => attempts?.from === attempt),
  },
  {
    id: "search-after-the-time",
    breaks: "A task of exactly the time from which a search begins is left out",
    kills: ["operators/times"],
    backend: missing(({ createdAt }, { created }) => created?.from === createdAt),
  },
  {
    id: "search-by-creation-only",
    breaks: "When a task changed is compared with its creation",
    kills: ["operators/times"],
    backend: filtering(({ updated, ...rest }) => ({ ...rest, ...(updated && { created: updated }) })),
  },
  {
    id: "search-small-payloads",
    breaks: "A search looks for texts in the payloads that are kept in the row",
    kills: ["operators/payloads"],
    backend: missing(({ request = "" }, { texts }) => texts !== undefined && request.length > 1024, ["request"]),
  },
  {
    id: "search-in-requests-only",
    breaks: "A search looks for texts in requests and nowhere else",
    kills: ["operators/payloads"],
    backend: missing((_, { texts }) => texts?.some(({ field }) => field !== "request") ?? false),
  },
  {
    id: "search-unescaped",
    breaks: "A search takes a backslash for an escape",
    kills: ["operators/payloads"],
    backend: filtering(({ texts, ...rest }) => ({
      ...rest,
      ...(texts && { texts: texts.map(({ field, text }) => ({ field, text: text.replaceAll(/\\(.)/g, "$1") })) }),
    })),
  },
  {
    id: "search-by-lease-only",
    breaks: "A question that waits for long is not stuck",
    kills: ["operators/stuck"],
    backend: missing(({ status }, { stuck }) => stuck !== undefined && status === "input_required"),
  },
  {
    id: "search-never-taken-only",
    breaks: "A task whose runner was lost is not stuck",
    kills: ["operators/stuck"],
    backend: missing(({ leaseToken }, { stuck }) => stuck !== undefined && leaseToken > 0),
  },
  {
    id: "search-without-payloads",
    breaks: "A search returns tasks without their payloads",
    kills: ["operators/fields", "operators/holder"],
    backend: searching((query) => ({ ...query, payloads: [] })),
  },
  {
    id: "search-of-old-revisions",
    breaks: "A search returns tasks as they were made",
    kills: ["operators/cancel-tasks"],
    backend: searching(
      (query) => query,
      (page) => ({ ...page, tasks: page.tasks.map((task) => ({ ...task, revision: 1 })) }),
    ),
  },
  {
    id: "lists-show-payloads",
    breaks: "A list has the payloads of its tasks, although nobody asked for them",
    kills: ["operators/fields"],
    store: (store) => ({
      operations: {
        async listRecords(options) {
          const page = await store.operations.listRecords(options);
          const whole = page.records.map(({ task }) => store.getRecord(task.taskId, { owner: ANY_OWNER }));
          const shown = (await Promise.all(whole)).map((record, index) => ({ ...record, ...page.records[index] }));
          return { ...page, records: shown as typeof page.records };
        },
      },
    }),
  },
  {
    id: "any-filter-will-do",
    breaks: "A wrong filter counts as none",
    kills: ["operators/wrong-filters"],
    store: (store) => ({
      operations: {
        listRecords: (options) =>
          store.operations.listRecords(options).catch((error: unknown) => {
            if (!isTaskStoreError(error, "INVALID_ARGUMENT")) throw error;
            return store.operations.listRecords({ ...options, where: {} as TaskFilter });
          }),
      },
    }),
  },
];
