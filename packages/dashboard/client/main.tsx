import { QueryClient, QueryClientProvider } from "@tanstack/preact-query";
import { render } from "preact";
import { ApiError } from "./api.ts";
import { App } from "./app.tsx";
import "./style/base.css";
import "./style/layout.css";
import "./style/parts.css";
import "./style/overview.css";
import "./style/tasks.css";
import "./style/task.css";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1000,
      // A refusal stays one, however often it is asked for.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError && error.status < 500),
    },
  },
});

render(
  <QueryClientProvider client={client}>
    <App />
  </QueryClientProvider>,
  document.getElementById("app") as HTMLElement,
);
