/** What an operator can do beside looking. */
export type Action = "cancel" | "remove" | "requeue" | "rerun" | "answer" | "pause";

export const ACTIONS: readonly Action[] = ["cancel", "remove", "requeue", "rerun", "answer", "pause"];

/** What a visitor may see and do. */
export interface AccessGrant {
  /** `all`, `read-only`, or the acts that are allowed beside looking. */
  may: "all" | "read-only" | readonly Action[];
  /** Who this is, for `onAudit` and for the page. */
  user?: string | undefined;
  /**
   * Shows only the tasks of these owners; `null` = those without owner. Names cannot be paused by a
   * visitor who sees only some owners, because a pause holds for every owner. An empty array
   * refuses the visitor.
   * @default every owner
   */
  owners?: readonly (string | null)[] | undefined;
  /**
   * Whether the visitor may read payloads, search in them, and see questions.
   * @default true
   */
  payloads?: boolean | undefined;
}

/**
 * A grant, or only its `may`. Nothing (`null`, `undefined`, `false`) refuses with 403. A `Response`
 * is sent as it is, for instance a redirect to the login page, or 401 with `WWW-Authenticate`.
 */
export type Access = AccessGrant | AccessGrant["may"] | Response | null | undefined | false;

/** A visitor whose access was granted. */
export interface Viewer {
  readonly user: string | undefined;
  readonly actions: ReadonlySet<Action>;
  readonly owners: readonly (string | null)[] | undefined;
  readonly payloads: boolean;
}

/** The viewer of a grant; `undefined` if it is none: a mistake in `access` refuses the visitor. */
export function viewerOf(access: Exclude<Access, Response>): Viewer | undefined {
  const grant = typeof access === "string" || Array.isArray(access) ? { may: access } : access;
  if (typeof grant !== "object" || grant === null) return undefined;
  const { may, user, owners, payloads = true } = grant as AccessGrant;
  const actions = actionsOf(may);
  if (actions === undefined || !(owners === undefined || isFilled(owners))) return undefined;
  const allowed = owners === undefined ? actions : actions.filter((action) => action !== "pause");
  return { user, actions: new Set(allowed), owners, payloads: payloads === true };
}

function actionsOf(may: unknown): readonly Action[] | undefined {
  if (may === "all") return ACTIONS;
  if (may === "read-only") return [];
  return Array.isArray(may) ? ACTIONS.filter((action) => may.includes(action)) : undefined;
}

function isFilled(owners: unknown): boolean {
  return Array.isArray(owners) && owners.length > 0 && owners.every((owner) => owner === null || isText(owner));
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}
