import { UsageError } from "../exit.ts";

/** Where the tasks of a store are. */
export type Address =
  | { readonly kind: "SQLite"; readonly path: string }
  | { readonly kind: "PostgreSQL"; readonly url: string }
  | { readonly kind: "Redis"; readonly url: string };

const FORMS = "postgres://…, redis://…, rediss://…, or the path of an SQLite file";

/** @throws UsageError, without the text, which may hold a password */
export function parseAddress(text: string): Address {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case "postgres":
    case "postgresql":
      return { kind: "PostgreSQL", url: checkedUrl(text) };
    case "redis":
    case "rediss":
      return { kind: "Redis", url: checkedUrl(text) };
    case "sqlite":
      return { kind: "SQLite", path: checkedPath(text.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "")) };
  }
  // `C:` is a drive.
  if (scheme !== undefined && scheme.length > 1 && text.includes("://"))
    throw new UsageError(`no store has addresses that begin with ${scheme}://: a store is ${FORMS}`);
  return { kind: "SQLite", path: checkedPath(text) };
}

function checkedUrl(text: string): string {
  if (!URL.canParse(text))
    throw new UsageError(
      "the store's address is not a valid URL: escape special characters in the password, as in p%40ss",
    );
  return text;
}

function checkedPath(path: string): string {
  if (path.trim() === "") throw new UsageError(`the store's address is empty: a store is ${FORMS}`);
  if (path.trim() === ":memory:")
    throw new UsageError("a store in memory lives in its own process: name a file or a server");
  return path;
}

/** The address for people: without user, password and parameters. */
export function shownAddress(address: Address): string {
  if (address.kind === "SQLite") return address.path;
  const { protocol, host, pathname } = new URL(address.url);
  return `${protocol}//${host}${pathname}`;
}

/** The texts of an address that must not be printed. */
export function secretsOf(address: Address): string[] {
  if (address.kind === "SQLite") return [];
  const { password, search } = new URL(address.url);
  return [address.url, password, decoded(password), search].filter((secret) => secret.length > 2);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
