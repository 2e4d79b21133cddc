import { useEffect, useState } from "preact/hooks";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

const SHOWN_MS = 6000;
const listeners = new Set<(toast: Toast) => void>();
let made = 0;

/** Says what an act has done, on the screen and to screen readers. */
export function say(text: string, { bad = false } = {}): void {
  made += 1;
  for (const listener of listeners) listener({ id: made, text, bad });
}

export function Toasts() {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  useEffect(() => {
    const add = (toast: Toast) => {
      setToasts((others) => [...others.slice(-2), toast]);
      setTimeout(() => setToasts((others) => others.filter(({ id }) => id !== toast.id)), SHOWN_MS);
    };
    listeners.add(add);
    return () => void listeners.delete(add);
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map(({ id, text, bad }) => (
        <p key={id} class={bad ? "toast bad" : "toast"}>
          {text}
        </p>
      ))}
    </div>
  );
}
