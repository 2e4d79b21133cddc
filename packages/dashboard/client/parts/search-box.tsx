import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { type Known, suggestions } from "../filter-text.ts";

interface Props {
  readonly value: string;
  readonly known: Known;
  /** What the server says is wrong with the text. */
  readonly problem: string | undefined;
  onSearch(text: string): void;
}

/** The search box, with suggestions for the term at the cursor. `/` goes to it. */
export function SearchBox({ value, known, problem, onSearch }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(-1);
  const [cursor, setCursor] = useState(value.length);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const inField = (event.target as Element).closest?.("input, textarea, select, dialog");
      if (event.key !== "/" || inField) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  const start = text.slice(0, cursor).search(/\S*$/);
  const term = text.slice(start, cursor);
  const shown = useMemo(() => (open ? suggestions(term, known) : []), [open, term, known]);

  const take = (index: number) => {
    const suggestion = shown[index];
    if (!suggestion) return;
    const done = !/[=<>.,]$/.test(suggestion.term);
    const next = `${text.slice(0, start)}${suggestion.term}${done ? " " : ""}${text.slice(cursor).trimStart()}`;
    const at = start + suggestion.term.length + (done ? 1 : 0);
    setText(next);
    setCursor(at);
    setChosen(-1);
    requestAnimationFrame(() => {
      input.current?.focus();
      input.current?.setSelectionRange(at, at);
    });
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const size = shown.length + 1;
      setChosen((at) => ((at + 1 + step + size) % size) - 1);
    } else if (event.key === "Escape") {
      setOpen(false);
      setChosen(-1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (chosen >= 0) take(chosen);
      else search(text);
    }
  };
  const search = (next: string) => {
    setOpen(false);
    onSearch(next.trim());
  };
  const track = () => setCursor(input.current?.selectionStart ?? 0);
  return (
    <search class="search">
      <label class="hidden" htmlFor={id}>
        Search tasks
      </label>
      <input
        ref={input}
        id={id}
        type="text"
        role="combobox"
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        placeholder="Search: status=failed name=render age>1h args.customer=acme"
        aria-expanded={shown.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={chosen >= 0 ? `${id}-${chosen}` : undefined}
        aria-invalid={problem !== undefined}
        aria-describedby={problem === undefined ? undefined : `${id}-problem`}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setOpen(true);
          setChosen(-1);
          track();
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyUp={track}
        onClick={track}
        onKeyDown={press}
      />
      <button type="button" onClick={() => search(text)}>
        Search
      </button>
      {text !== "" && (
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setText("");
            search("");
          }}
        >
          Clear
        </button>
      )}
      <div id={`${id}-list`} class="suggestions" role="listbox" aria-label="Suggestions" hidden={shown.length === 0}>
        {shown.map(({ term: each, help }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the text field keeps the focus, and its keys choose.
          // biome-ignore lint/a11y/useFocusableInteractive: as above.
          <div
            key={each}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            // The text field keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(index)}
          >
            <code>{each}</code>
            <span class="muted">{help}</span>
          </div>
        ))}
      </div>
      {problem !== undefined && (
        <p id={`${id}-problem`} class="problem" role="alert">
          {problem}
        </p>
      )}
    </search>
  );
}
