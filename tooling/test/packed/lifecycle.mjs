// The life of a task. Another process does the work if the store is shared. Prints the result.
//
// lifecycle.mjs <backend> <the store's options, JSON> [the task to work on]

import { spawn } from "node:child_process";
import { once } from "node:events";

const STORES = {
  memory: "MemoryTaskStore",
  sqlite: "SqliteTaskStore",
  postgres: "PostgresTaskStore",
  redis: "RedisTaskStore",
};

const [backend, options, given] = process.argv.slice(2);
const { runTask, [STORES[backend]]: Store } = await import(`@mcp-task-store/${backend}`);
const store = new Store(JSON.parse(options));

async function work(taskId) {
  await runTask(store, taskId, async (task) => {
    await task.progress("half", 1);
    return { content: [{ type: "text", text: "done" }] };
  });
}

if (given !== undefined) await work(given);
else {
  const { taskId } = await store.createTask({ ttl: 60_000 }, 1, { method: "tools/call", params: { name: "render" } });
  const waiting = store.waitForResult(taskId);
  if (backend === "memory") await work(taskId);
  else {
    const worker = spawn(process.execPath, [import.meta.filename, backend, options, taskId], { stdio: "inherit" });
    const [code] = await once(worker, "exit");
    if (code !== 0) throw new Error(`the worker ended with ${code}`);
  }
  const { content } = await waiting;
  const { tasks } = await store.listTasks();
  console.log(JSON.stringify({ content, listed: tasks.map(({ status }) => status) }));
}
await store.close();
