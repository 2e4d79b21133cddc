import { expect, test } from "vitest";
import { MemoryTaskStore } from "../../../../tooling/test/fixtures/stores.ts";

test("a page of given ids has as many records as the limit says, and the next page goes on", async () => {
  await using store = new MemoryTaskStore();
  const made = await Promise.all(Array.from({ length: 7 }, () => store.createTask({ name: "render" })));
  const id = made.map(({ taskId }) => taskId);
  const pages: string[][] = [];
  let scanned = 0;
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await store.operations.listRecords({ where: { id }, limit: 3, order: "oldest", cursor });
    pages.push(page.records.map(({ task }) => task.taskId));
    scanned += page.scanned;
    cursor = page.nextCursor;
  }
  expect(pages).toEqual([id.slice(0, 3), id.slice(3, 6), id.slice(6)]);
  expect(scanned).toBe(7);
});

test.each([
  { idPrefix: "\ud83d" },
  { idPrefix: "a\0" },
  { idPrefix: "" },
  { created: { after: "32" } },
  { ended: { before: "Nov 5" } },
  { changed: { before: new Date(Number.NaN) } },
])("%j is refused, since databases or readers would take it for something else", async (where) => {
  await using store = new MemoryTaskStore();
  await expect(store.operations.listRecords({ where })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test.each(["2026-11", "2026-11-27", "2026-11-27T10:00Z", "2026-11-27T10:00:00.5+01:00", "+012026-11-27"])(
  "%s is a date",
  async (after) => {
    await using store = new MemoryTaskStore();
    await expect(store.operations.listRecords({ where: { created: { after } } })).resolves.toBeDefined();
  },
);
