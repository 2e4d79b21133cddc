import { useQueryClient } from "@tanstack/preact-query";
import { useId, useState } from "preact/hooks";
import type { TaskAnswer } from "../../src/wire.ts";
import { api, type TaskAction } from "../api.ts";
import { isActive } from "../format.ts";
import { go, pathTo } from "../route.tsx";
import { useHere } from "../session.ts";
import { Dialog } from "./dialog.tsx";
import { say } from "./toasts.tsx";

type Act = Exclude<TaskAction, "answer">;

const ACTS: readonly { act: Act; label: string; title: string; note: string; done: string; active: boolean }[] = [
  {
    act: "requeue",
    label: "Put back into the queue",
    title: "Put the task back into the queue?",
    note: "Its runner loses the task, and another one may take it at once. Use this for a runner that hangs.",
    done: "The task is in the queue again",
    active: true,
  },
  {
    act: "cancel",
    label: "Cancel",
    title: "Cancel the task?",
    note: "Its runner is told to stop. This cannot be undone.",
    done: "The task was cancelled",
    active: true,
  },
  {
    act: "rerun",
    label: "Run again",
    title: "Run the task again?",
    note: "A new task is made of its request.",
    done: "A new task was made",
    active: false,
  },
  {
    act: "remove",
    label: "Remove",
    title: "Remove the task?",
    note: "The task and its result are deleted. This cannot be undone.",
    done: "The task was removed",
    active: false,
  },
];

/** What can be done with the task, each after a question. */
export function TaskActs({ task }: { task: TaskAnswer }) {
  const { actions } = useHere();
  const [asked, setAsked] = useState<Act>();
  const offered = ACTS.filter(({ act, active }) => active === isActive(task) && actions.includes(act));
  const chosen = offered.find(({ act }) => act === asked);
  return (
    <div class="buttons acts">
      {offered.map(({ act, label }) => (
        <button key={act} type="button" onClick={() => setAsked(act)}>
          {label}…
        </button>
      ))}
      {chosen && <ActDialog task={task} {...chosen} onClose={() => setAsked(undefined)} />}
    </div>
  );
}

type DialogProps = (typeof ACTS)[number] & { task: TaskAnswer; onClose: () => void };

function ActDialog({ task, act, label, title, note, done, onClose }: DialogProps) {
  const { store, payloads } = useHere();
  const client = useQueryClient();
  const id = useId();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string>();
  const [sending, setSending] = useState(false);
  const { taskId } = task;
  const body = () => {
    if (act === "cancel" && text !== "") return { statusMessage: text };
    return act === "rerun" && text !== "" ? { arguments: JSON.parse(text) } : {};
  };
  const send = async () => {
    setSending(true);
    try {
      const answer = await api.act(store, taskId, act, body());
      say(done);
      onClose();
      if (act === "rerun") go(pathTo(store, "tasks", answer.taskId));
      else if (act === "remove") go(pathTo(store, "tasks"));
      void client.invalidateQueries({ queryKey: [store] });
    } catch (error) {
      setProblem(error instanceof SyntaxError ? "The arguments are no JSON" : (error as Error).message);
      setSending(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{note}</p>
      {act === "cancel" && (
        <div class="field">
          <label htmlFor={id}>Message to the requestor</label>
          <input
            id={id}
            type="text"
            placeholder="The task was cancelled."
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
      )}
      {act === "rerun" && payloads && (
        <div class="field">
          <label htmlFor={id}>Other arguments, as JSON</label>
          <textarea
            id={id}
            rows={4}
            spellcheck={false}
            placeholder="Leave this empty for the same arguments."
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="buttons">
        <button type="button" class="quiet" onClick={onClose}>
          Close
        </button>
        <button
          type="button"
          class={act === "cancel" || act === "remove" ? "danger" : "main"}
          disabled={sending}
          onClick={send}
        >
          {label}
        </button>
      </div>
    </Dialog>
  );
}
