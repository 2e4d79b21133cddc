/**
 * What the servers of this folder serve: a dashboard of the tasks in a SQLite file, for operators
 * whom HTTP Basic names. In place of it, ask the session of your own application.
 */
import { timingSafeEqual } from "node:crypto";
import { type Access, createDashboard } from "@mcp-task-store/dashboard";
import { SqliteTaskStore } from "@mcp-task-store/sqlite";

const store = new SqliteTaskStore({ path: process.env["TASKS_DB"] ?? "tasks.db" });

/** `ada:secret` may do everything, `eve:secret` may look. */
const operators = new Map<string, "all" | "read-only">([
  ["ada", "all"],
  ["eve", "read-only"],
]);
const password = Buffer.from(process.env["DASHBOARD_PASSWORD"] ?? "secret");

function access(request: Request): Access {
  const [scheme, credentials = ""] = request.headers.get("authorization")?.split(" ") ?? [];
  const [user = "", given = ""] = Buffer.from(credentials, "base64").toString().split(":");
  const may = operators.get(user);
  const right = Buffer.from(given);
  if (scheme === "Basic" && may && right.length === password.length && timingSafeEqual(right, password))
    return { may, user };
  return new Response("Who are you?", { status: 401, headers: { "www-authenticate": 'Basic realm="Tasks"' } });
}

export const dashboard = createDashboard({
  stores: { main: store },
  basePath: "/ops",
  access,
  onAudit: (entry) => console.log(JSON.stringify(entry)),
});

/** After the HTTP server was closed. */
export async function close(): Promise<void> {
  await dashboard.close();
  await store.close();
}
