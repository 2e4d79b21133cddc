import { useQuery } from "@tanstack/preact-query";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { api } from "./api.ts";
import { NamesPage } from "./pages/names.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { OwnersPage } from "./pages/owners.tsx";
import { TaskPage } from "./pages/task.tsx";
import { TasksPage } from "./pages/tasks.tsx";
import { WorkersPage } from "./pages/workers.tsx";
import { Failure } from "./parts/basics.tsx";
import { Shell } from "./parts/shell.tsx";
import { Toasts } from "./parts/toasts.tsx";
import { go, pathTo, type Route, returnToPlace, useRoute } from "./route.tsx";
import { HereContext } from "./session.ts";

export function App() {
  const route = useRoute();
  const { data: session, error } = useQuery({ queryKey: ["session"], queryFn: api.session, staleTime: 60_000 });
  const first = session?.stores[0]?.name;
  const known = session?.stores.some(({ name }) => name === route.store) === true;
  useEffect(() => {
    if (route.store === undefined && first !== undefined) go(pathTo(first), { replace: true });
  }, [route.store, first]);
  if (error) return <main class="alone">{<Failure error={error} />}</main>;
  if (!session || route.store === undefined) return null;
  if (!known)
    return (
      <main class="alone">
        <h1>No such store</h1>
        <p>This dashboard shows {session.stores.map(({ name }) => name).join(", ")}.</p>
      </main>
    );
  return (
    <HereContext.Provider value={{ ...session, store: route.store }}>
      <Shell route={route}>
        <Page key={`${route.store} ${route.page} ${route.taskId}`} route={route} />
      </Shell>
      <Toasts />
    </HereContext.Provider>
  );
}

function Page({ route }: { route: Route }) {
  const isList = route.page === "tasks" && route.taskId === undefined;
  // A list goes to its place itself, when its rows are there.
  useLayoutEffect(() => {
    if (!isList) returnToPlace();
  }, [isList]);
  if (route.taskId !== undefined) return <TaskPage taskId={route.taskId} />;
  switch (route.page) {
    case "tasks":
      return <TasksPage query={route.query} />;
    case "workers":
      return <WorkersPage />;
    case "names":
      return <NamesPage />;
    case "owners":
      return <OwnersPage />;
    case "overview":
      return <OverviewPage />;
  }
}
