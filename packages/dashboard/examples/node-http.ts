/** For `node:http`: `http.listen(3000, "127.0.0.1")`. */
import { createServer } from "node:http";
import { toNodeHandler } from "@mcp-task-store/dashboard/node";
import { dashboard } from "./operators.ts";

export const http = createServer(toNodeHandler(dashboard));
