import type { Machine } from "./machine.ts";
import type { InForce } from "./places.ts";
import type { Row, Settings } from "./scenario.ts";
import type { StoreName } from "./stores.ts";

/** One scenario on one variant of a store. */
export interface Section {
  readonly scenario: string;
  readonly title: string;
  readonly notes: readonly string[];
  readonly variant: string;
  readonly server: string;
  /** The settings in force, as read from the database. */
  readonly settings: InForce;
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly bench: Settings;
  readonly rows: readonly Row[];
}

export interface Results {
  readonly store: StoreName;
  readonly sections: readonly Section[];
}
