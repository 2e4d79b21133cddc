import { useQuery } from "@tanstack/preact-query";
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { useHere } from "../session.ts";
import { CopyButton, Failure } from "./basics.tsx";
import { JsonTree } from "./json-tree.tsx";

const PARTS = [
  ["request", "Request"],
  ["context", "Context"],
  ["checkpoint", "Checkpoint"],
  ["result", "Result"],
  ["error", "Error"],
] as const;

/** The payloads of a task, which are neither read nor shown until somebody asks. */
export function Payloads({ taskId, revision }: { taskId: string; revision: number }) {
  const { store, payloads: allowed } = useHere();
  const [shown, setShown] = useState(false);
  const { data, error, isFetching } = useQuery({
    queryKey: [store, "payloads", taskId, revision],
    queryFn: () => api.payloads(store, taskId),
    enabled: shown,
    placeholderData: (before) => before,
  });
  if (!allowed) return null;
  return (
    <section class="card payloads" aria-labelledby="payloads">
      <div class="card-head">
        <h2 id="payloads">Payloads</h2>
        <button type="button" class="quiet" aria-expanded={shown} onClick={() => setShown(!shown)}>
          {shown ? "Hide" : "Show payloads"}
        </button>
      </div>
      {!shown && <p class="muted">Request, context, checkpoint and outcome may hold personal data.</p>}
      {shown && error && <Failure error={error} />}
      {shown && !data && isFetching && <p class="muted">Reading…</p>}
      {shown && data?.unreadable && (
        <p class="muted">The server has no key to read these: {data.unreadable.join(", ")}.</p>
      )}
      {shown &&
        data &&
        PARTS.filter(([field]) => data[field] !== undefined).map(([field, label]) => (
          <div key={field} class="payload">
            <h3>
              {label} <CopyButton text={JSON.stringify(data[field], null, 2)} label={label} />
            </h3>
            <JsonTree value={data[field]} open />
          </div>
        ))}
    </section>
  );
}
