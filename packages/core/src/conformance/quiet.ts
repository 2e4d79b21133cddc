/**
 * Marks a rejection as expected, wherever it is looked at. A case starts many calls before it looks at the first, and when it
 * fails it looks at none of the rest: neither may end the process.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** The same object, with every promise that its methods return marked. */
export function quietly<T extends object>(target: T, inner: readonly (keyof T)[] = []): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value === "function")
        return (...args: unknown[]) => {
          const returned: unknown = Reflect.apply(value, target, args);
          return returned instanceof Promise ? quiet(returned) : returned;
        };
      return inner.includes(name as keyof T) ? quietly(value as object) : value;
    },
  });
}
