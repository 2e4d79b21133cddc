import { MemoryStorage, MemoryTaskStore } from "@mcp-task-store/memory";
import { expect, onTestFinished, test } from "vitest";
import { testCodec } from "../../../../tooling/coded.ts";
import { serve, useBrowser, violationsOf } from "./support.ts";

const browser = useBrowser();

test("without keys, the pages show an encrypted task, and say what they cannot show", async () => {
  const storage = new MemoryStorage();
  const [looking, server] = [new MemoryTaskStore({ storage }), new MemoryTaskStore({ storage, codec: testCodec() })];
  onTestFinished(() => Promise.all([looking.close(), server.close()]).then(() => undefined));
  const { taskId } = await server.createTask({ name: "render", arguments: { word: "hunter2" } });
  const lease = await server.acquireLease(taskId, { holder: { worker: "mill" } });
  await server.requestInputs(taskId, { sure: { method: "elicitation/create", params: {} } }, { lease });
  await server.updateTask(taskId, { statusMessage: "hunter2", checkpoint: "hunter2" }, { lease });

  const url = `${await serve(looking)}/main/tasks`;
  const page = await browser.open(url);
  await page.getByText("(This text cannot be read here.)").first().waitFor();
  await page.goto(`${url}/${taskId}`);
  await page.getByText("Its questions are encrypted").waitFor();
  await page.getByRole("button", { name: "Show payloads" }).click();
  await page.getByText(/no key to read these: .*request/).waitFor();
  expect(await page.content()).not.toMatch(/hunter2|~aes-gcm/);
  expect(await violationsOf(page)).toEqual([]);
});
