import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { TaskRow } from "../../src/wire.ts";
import { ago, duration } from "../format.ts";
import { go, Link, pathTo, returnToPlace } from "../route.tsx";
import { useHere } from "../session.ts";
import { Owner, StateBadge, Time } from "./basics.tsx";
import { useRows } from "./virtual.ts";

const WIDE = "(min-width: 760px)";
const ROW = { wide: 36, narrow: 64 };
const COLUMNS = ["State", "Name", "Task", "Owner", "Message", "Tries", "Age", "Changed"] as const;

function useWide(): boolean {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const look = () => setWide(query.matches);
    query.addEventListener("change", look);
    return () => query.removeEventListener("change", look);
  }, []);
  return wide;
}

interface Props {
  readonly tasks: readonly TaskRow[];
  /** The time that ages count to. */
  readonly now: string;
  readonly hasMore: boolean;
  onEnd(): void;
}

/** A table of any length. Arrow keys go from row to row, Enter opens a task. */
export function TaskTable({ tasks, now, hasMore, onEnd }: Props) {
  const { store } = useHere();
  const wide = useWide();
  const list = useRef<HTMLDivElement>(null);
  const { items, height, top, scrollTo } = useRows(list, tasks.length, wide ? ROW.wide : ROW.narrow);
  useLayoutEffect(returnToPlace, []);
  const [active, setActive] = useState(0);
  const focusNext = useRef(false);
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (hasMore && last >= tasks.length - 20) onEnd();
  }, [hasMore, last, tasks.length, onEnd]);
  useLayoutEffect(() => {
    const link = focusNext.current ? list.current?.querySelector<HTMLElement>(`[data-index="${active}"] a`) : undefined;
    if (!link) return;
    focusNext.current = false;
    link.focus({ preventScroll: true });
  });
  const move = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + 15,
      PageUp: active - 15,
      Home: 0,
      End: tasks.length - 1,
    };
    const to = steps[event.key];
    if (to === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
    event.preventDefault();
    const index = Math.min(Math.max(to, 0), tasks.length - 1);
    focusNext.current = true;
    setActive(index);
    scrollTo(index);
  };
  // The row that the keyboard is at stays reachable when it is scrolled out of sight.
  const reachable = items.some(({ index }) => index === active) ? active : items[0]?.index;
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a table element cannot be placed one by one.
    <div
      class={wide ? "table wide" : "table narrow"}
      role="table"
      aria-label="Tasks"
      aria-rowcount={hasMore ? -1 : tasks.length + 1}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: as above. */}
      <div class="head" role="rowgroup">
        {/* biome-ignore lint/a11y/useSemanticElements: as above. */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: only links have the focus. */}
        <div class="row" role="row" aria-rowindex={1}>
          {COLUMNS.map((column) => (
            // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above.
            <span key={column} role="columnheader" class={`cell of-${column.toLowerCase()}`}>
              {column}
            </span>
          ))}
        </div>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: as above. */}
      <div class="rows" role="rowgroup" ref={list} style={{ height: `${height}px` }} onKeyDown={move}>
        {items.map(({ index, start, size }) => {
          const task = tasks[index];
          if (!task) return null;
          const place = { height: `${size}px`, transform: `translateY(${start - top}px)` };
          return (
            <Row
              key={task.taskId}
              task={task}
              index={index}
              now={now}
              place={place}
              to={pathTo(store, "tasks", task.taskId)}
              reachable={index === reachable}
              onFocus={() => setActive(index)}
            />
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  readonly task: TaskRow;
  readonly index: number;
  readonly now: string;
  readonly place: { height: string; transform: string };
  readonly to: string;
  readonly reachable: boolean;
  onFocus(): void;
}

function Row({ task, index, now, place, to, reachable, onFocus }: RowProps) {
  const { taskId, name, owner, statusMessage, attempt, createdAt, changedAt } = task;
  // A click anywhere in the row, unless text was selected.
  const open = (event: MouseEvent) => {
    if ((event.target as Element).closest("a") || getSelection()?.toString()) return;
    go(to);
  };
  const age = Date.parse(now) - Date.parse(createdAt);
  return (
    // biome-ignore lint/a11y/useSemanticElements lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: its link has the focus.
    <div class="row" role="row" aria-rowindex={index + 2} data-index={index} style={place} onClick={open}>
      <Cell of="state">
        <StateBadge task={task} />
      </Cell>
      <Cell of="name">{name}</Cell>
      <Cell of="task">
        <Link to={to} tabIndex={reachable ? 0 : -1} onFocus={onFocus} aria-label={`Task ${taskId}`}>
          {taskId}
        </Link>
      </Cell>
      <Cell of="owner">
        <Owner owner={owner} />
      </Cell>
      <Cell of="message">{statusMessage ?? ""}</Cell>
      <Cell of="tries">{String(attempt)}</Cell>
      <Cell of="age">
        <Time at={createdAt}>
          <span title={duration(age)}>{ago(createdAt, now)}</span>
        </Time>
      </Cell>
      <Cell of="changed">
        <Time at={changedAt}>{ago(changedAt, now)}</Time>
      </Cell>
    </div>
  );
}

function Cell({ of, children }: { of: string; children: preact.ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: see the table.
    <span role="cell" class={`cell of-${of}`}>
      {children}
    </span>
  );
}
