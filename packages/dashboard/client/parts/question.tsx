import { useQueryClient } from "@tanstack/preact-query";
import { useId, useState } from "preact/hooks";
import { type Field, fieldsOf, isForm, problemsOf, type Question } from "../../src/questions.ts";
import { api } from "../api.ts";
import { useHere, useMay } from "../session.ts";
import { JsonTree } from "./json-tree.tsx";
import { say } from "./toasts.tsx";

interface Props {
  readonly taskId: string;
  readonly name: string;
  readonly question: Question;
}

/** An open question of a task, with a form to answer it in the requestor's place. */
export function QuestionCard({ taskId, name, question }: Props) {
  const { store } = useHere();
  const client = useQueryClient();
  const id = useId();
  const mayAnswer = useMay("answer");
  const [problem, setProblem] = useState<string>();
  const [sending, setSending] = useState(false);
  const send = async (response: unknown) => {
    const [wrong] = problemsOf(question, response);
    setProblem(wrong);
    if (wrong !== undefined) return;
    setSending(true);
    try {
      await api.act(store, taskId, "answer", { key: name, response });
      say("The answer was stored");
    } catch (error) {
      setProblem((error as Error).message);
    }
    setSending(false);
    void client.invalidateQueries({ queryKey: [store, "task", taskId] });
  };
  const message = question.params?.["message"];
  const url = question.params?.["url"];
  return (
    <section class="card question" aria-labelledby={id}>
      <h2 id={id}>Open question</h2>
      <p class="message">{typeof message === "string" ? message : question.method}</p>
      {typeof url === "string" && <p class="detail">{url}</p>}
      <details open={question.method !== "elicitation/create"}>
        <summary>As the task asked it</summary>
        <JsonTree value={question} open />
      </details>
      {mayAnswer && question.method === "elicitation/create" && (
        <Form fields={isForm(question) ? fieldsOf(question) : []} sending={sending} onSend={send} />
      )}
      {mayAnswer && question.method !== "elicitation/create" && (
        <RawAnswer sending={sending} onSend={send} onProblem={setProblem} />
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}

interface FormProps {
  readonly fields: readonly Field[];
  readonly sending: boolean;
  onSend(response: unknown): Promise<void>;
}

function Form({ fields, sending, onSend }: FormProps) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const content = Object.fromEntries(
      fields.flatMap((field, index) => {
        const value = entryOf(field, data, `field-${index}`);
        return value === undefined ? [] : [[field.name, value]];
      }),
    );
    void onSend({ action: "accept", content });
  };
  return (
    <form onSubmit={submit} noValidate>
      {fields.map((field, index) => (
        <FieldRow key={field.name} field={field} name={`field-${index}`} />
      ))}
      <div class="buttons">
        <button type="submit" class="main" disabled={sending}>
          Accept
        </button>
        <button type="button" disabled={sending} onClick={() => void onSend({ action: "decline" })}>
          Decline
        </button>
        <button type="button" class="quiet" disabled={sending} onClick={() => void onSend({ action: "cancel" })}>
          Dismiss
        </button>
      </div>
    </form>
  );
}

/** The value of a field of the form; `undefined` if it was left empty. */
function entryOf({ kind, required }: Field, data: FormData, name: string): unknown {
  const text = String(data.get(name) ?? "");
  switch (kind) {
    case "boolean":
      return data.has(name);
    case "several": {
      const all = data.getAll(name).map(String);
      return all.length > 0 || required ? all : undefined;
    }
    case "number":
    case "integer":
      return text.trim() === "" ? undefined : Number(text);
    default:
      return text === "" ? undefined : text;
  }
}

const INPUTS: Readonly<Record<string, string>> = { email: "email", uri: "url", date: "date" };

function FieldRow({ field, name }: { field: Field; name: string }) {
  const id = useId();
  const { kind, label, help, required, choices, schema } = field;
  const described = help === undefined ? undefined : `${id}-help`;
  const preset = schema["default"];
  const common = { id, name, "aria-describedby": described, "aria-required": required };
  if (kind === "several")
    return (
      <fieldset aria-describedby={described}>
        <legend>{label}</legend>
        {choices.map((choice) => (
          <label key={choice.value} class="check">
            <input
              type="checkbox"
              name={name}
              value={choice.value}
              defaultChecked={Array.isArray(preset) && preset.includes(choice.value)}
            />
            {choice.label}
          </label>
        ))}
        {help !== undefined && <small id={described}>{help}</small>}
      </fieldset>
    );
  return (
    <div class={kind === "boolean" ? "field check" : "field"}>
      <label htmlFor={id}>
        {label}
        {required && kind !== "boolean" && <span class="muted"> (required)</span>}
      </label>
      {kind === "boolean" && <input type="checkbox" {...common} defaultChecked={preset === true} />}
      {kind === "one" && (
        <select {...common}>
          {!required && <option value="">no answer</option>}
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value} selected={choice.value === preset}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
      {(kind === "number" || kind === "integer") && (
        <input
          type="text"
          inputMode="decimal"
          {...common}
          defaultValue={typeof preset === "number" ? String(preset) : ""}
        />
      )}
      {kind === "text" && (
        <input
          type={INPUTS[String(schema["format"])] ?? "text"}
          {...common}
          autocomplete="off"
          defaultValue={typeof preset === "string" ? preset : ""}
        />
      )}
      {help !== undefined && <small id={described}>{help}</small>}
    </div>
  );
}

interface RawProps {
  readonly sending: boolean;
  onSend(response: unknown): Promise<void>;
  onProblem(problem: string): void;
}

/** For questions without a form, such as those to a model: the answer as JSON. */
function RawAnswer({ sending, onSend, onProblem }: RawProps) {
  const id = useId();
  const [text, setText] = useState("");
  const send = () => {
    let response: unknown;
    try {
      response = JSON.parse(text);
    } catch {
      onProblem("This is no JSON");
      return;
    }
    void onSend(response);
  };
  return (
    <div class="field">
      <label htmlFor={id}>Answer, as JSON</label>
      <textarea
        id={id}
        rows={5}
        spellcheck={false}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <div class="buttons">
        <button type="button" class="main" disabled={sending || text.trim() === ""} onClick={send}>
          Answer
        </button>
      </div>
    </div>
  );
}
