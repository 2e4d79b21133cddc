import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

// The program is in this folder only for its imports.
const cwd = fileURLToPath(new URL(".", import.meta.url));

const stores = {
  PostgreSQL: `import { PostgresTaskStore } from "@mcp-task-store/postgres";
    const store = new PostgresTaskStore({ connectionString: "postgres://app@127.0.0.1:1/tasks" });`,
  Redis: `import { RedisTaskStore } from "@mcp-task-store/redis";
    const store = new RedisTaskStore({ url: "redis://127.0.0.1:1", commandTimeoutMs: 500 });`,
};

test.each(Object.entries(stores))(
  "a store at a wrong address leaves nothing open, and its program exits: %s",
  (_, open) => {
    const program = `${open}
    for (let call = 0; call < 3; call += 1)
      await store.createTask({}, 1, { method: "work" }).catch((error) => console.log(error.code, error.write));
    await store.close();
    // A handle closes one turn of the event loop after its release.
    const left = () => process.getActiveResourcesInfo().filter((kind) => /TCP|Timeout|Connect|GetAddrInfo/.test(kind));
    while (left().length > 0) await new Promise((resolve) => setImmediate(resolve));
    console.log("nothing left");`;
    const { status, signal, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      cwd,
      encoding: "utf8",
      timeout: 50_000,
    });
    expect({ status, signal }).toEqual({ status: 0, signal: null });
    const failed = "BACKEND_UNAVAILABLE not-applied";
    expect(stdout.trim().split("\n")).toEqual([failed, failed, failed, "nothing left"]);
  },
);
