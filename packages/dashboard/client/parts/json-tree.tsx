import { useState } from "preact/hooks";
import { plural } from "../format.ts";

/** Entries that are shown of an object or array before more are asked for. */
const STEP = 100;
/** Characters of a text that are shown before the rest is asked for. */
const LONG = 1000;

interface Props {
  readonly value: unknown;
  readonly name?: string;
  readonly open?: boolean;
}

/** A JSON value. What is closed is not drawn, so its size does not matter. */
export function JsonTree({ value, name, open = false }: Props) {
  if (typeof value !== "object" || value === null) return <Leaf value={value} name={name} />;
  return <Branch value={value} name={name} open={open} />;
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span class="key">{name}: </span>;
}

function Branch({ value, name, open }: { value: object; name: string | undefined; open: boolean }) {
  const [shown, setShown] = useState(open);
  const [limit, setLimit] = useState(STEP);
  const entries = Object.entries(value);
  const isArray = Array.isArray(value);
  const kind = isArray ? plural(entries.length, "item") : plural(entries.length, "field");
  if (entries.length === 0)
    return (
      <div class="leaf">
        <Name name={name} />
        <span class="muted">{isArray ? "[ ]" : "{ }"}</span>
      </div>
    );
  return (
    <details class="branch" open={shown} onToggle={(event) => setShown(event.currentTarget.open)}>
      <summary>
        <Name name={name} />
        <span class="muted">{isArray ? `[ ${kind} ]` : `{ ${kind} }`}</span>
      </summary>
      {shown && (
        <div class="inside">
          {entries.slice(0, limit).map(([key, inner]) => (
            <JsonTree key={key} name={key} value={inner} />
          ))}
          {entries.length > limit && (
            <button type="button" class="quiet small" onClick={() => setLimit(limit + STEP)}>
              {plural(entries.length - limit, "more entry", "more entries")}
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function Leaf({ value, name }: { value: unknown; name: string | undefined }) {
  const [whole, setWhole] = useState(false);
  const text = JSON.stringify(value) ?? "";
  const kind = value === null ? "null" : typeof value;
  const cut = !whole && text.length > LONG;
  return (
    <div class="leaf">
      <Name name={name} />
      <span class={`value ${kind}`}>{cut ? `${text.slice(0, LONG)}…` : text}</span>
      {cut && (
        <button type="button" class="quiet small" onClick={() => setWhole(true)}>
          All {plural(text.length, "character")}
        </button>
      )}
    </div>
  );
}
