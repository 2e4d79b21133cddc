import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { durableStores } from "../../../../tooling/test/fixtures/stores.ts";
import { fill, serve, useBrowser } from "./support.ts";

// What an operator does, in a browser, on each durable store with some thousands of tasks.

/** A larger multiple of 300 is for measuring. */
const COUNT = Number(process.env["TEST_DASHBOARD_TASKS"] ?? 3000);
const CUSTOMERS = COUNT / 30;
const browser = useBrowser();

const rows = (page: Page) => page.locator(".rows .row");
const search = (page: Page) => page.getByRole("combobox", { name: "Search tasks" });
const count = (page: Page) => page.locator(".toolbar p");

describe.each(durableStores)("On $name", ({ usePlaces }) => {
  const newPlace = usePlaces();

  test("an operator finds tasks, cancels all that match, and sees what others do", async () => {
    await using place = await newPlace();
    const store = place.open({ claimAfterMs: 0 });
    const ids = await fill(store, COUNT, (index) => ({
      name: index % 10 === 0 ? "render" : "sync",
      owner: index % 3 === 0 ? "acme" : "globex",
      arguments: { customer: `customer-${index % CUSTOMERS}` },
    }));
    const url = await serve(store);
    const page = await browser.open(`${url}/main/tasks`);
    await rows(page).first().waitFor();

    // Only some of the rows are drawn, and the last is reached by scrolling.
    expect(await rows(page).count()).toBeLessThan(60);

    // The search box suggests words and values; the address has the search.
    await search(page).fill("nam");
    await page.getByRole("option", { name: /^name=/ }).waitFor();
    await search(page).press("ArrowDown");
    await search(page).press("Enter");
    await page.getByRole("option", { name: "name=render" }).click();
    await search(page).press("Enter");
    await page.waitForURL(/q=name%3Drender/);
    await search(page).fill("name=render args.customer=customer-50");
    await search(page).press("Enter");
    await expect.poll(() => count(page).textContent()).toBe("30 tasks");
    expect(await page.evaluate("location.search")).toBe("?q=name%3Drender+args.customer%3Dcustomer-50");
    await page.goBack();
    await page.waitForURL(/q=name%3Drender$/);

    // A wrong term is told in words.
    await search(page).fill("stauts=failed");
    await search(page).press("Enter");
    await page.getByText('The filter\'s term "stauts=failed" is not understood').waitFor();

    // Facets are terms of the search.
    await search(page).fill("");
    await search(page).press("Enter");
    await page.getByRole("button", { name: /^render/ }).click();
    await page.waitForURL(/q=name%3Drender$/);
    await page.getByRole("button", { name: /^acme/ }).click();
    await page.waitForURL(/q=name%3Drender\+owner%3Dacme$/);

    // All that match are cancelled, after a dry run.
    const matching = ids.filter((_, index) => index % 10 === 0 && index % 3 === 0).length;
    const shown = matching.toLocaleString("en");
    await page.getByRole("button", { name: "Cancel…" }).click();
    await page.getByText(`${shown} tasks would be cancelled.`).waitFor();
    expect((await store.operations.stats()).counts.cancelled).toBe(0);
    await page.getByRole("button", { name: `Cancel ${shown} tasks` }).click();
    await page.getByText(`${shown} tasks cancelled`).waitFor();
    expect((await store.operations.stats()).counts.cancelled).toBe(matching);
    await page.locator(".rows .row", { hasText: "Cancelled" }).first().waitFor();

    // What another process does is seen without a reload.
    const other = place.open();
    const { taskId } = await other.createTask({ name: "render", owner: "acme", arguments: {} });
    await page.getByRole("link", { name: `Task ${taskId}` }).waitFor();
    await other.updateTask(taskId, { statusMessage: "Half of it is done" });
    await page.getByText("Half of it is done").waitFor();
  });

  test("an operator answers a question, and the runner goes on", async () => {
    await using place = await newPlace();
    const store = place.open();
    const { taskId } = await store.createTask({ name: "render", owner: "acme" });
    const lease = await store.acquireLease(taskId);
    const properties = {
      size: { type: "string", enum: ["small", "large"], enumNames: ["Small", "Large"], title: "Size" },
      copies: { type: "integer", title: "Copies", minimum: 1 },
      glossy: { type: "boolean", title: "Glossy" },
    };
    const params = {
      message: "How shall it be printed?",
      requestedSchema: { type: "object", properties, required: ["copies"] },
    };
    await store.requestInputs(taskId, { print: { method: "elicitation/create", params } }, { lease });
    const page = await browser.open(`${await serve(store)}/main/tasks/${taskId}`);
    await page.getByText("How shall it be printed?", { exact: true }).first().waitFor();
    await page.getByRole("button", { name: "Accept" }).click();
    await page.getByText("Copies is missing").waitFor();
    await page.getByLabel("Size").selectOption("Large");
    await page.getByLabel("Copies").fill("2");
    await page.getByLabel("Glossy").check();
    const answer = store.awaitInput(taskId, "print");
    await page.getByRole("button", { name: "Accept" }).click();
    expect(await answer).toEqual({ action: "accept", content: { size: "large", copies: 2, glossy: true } });
    await page.getByText("The answer was stored").waitFor();
    await expect.poll(() => page.getByRole("button", { name: "Accept" }).count()).toBe(0);
    await store.finishTask(taskId, { status: "completed", result: { content: [] } }, { lease });
    await page.getByText("Completed").first().waitFor();
  });
});
