import type { OptionSpecs, Values } from "./options.ts";
import type { Output } from "./output/output.ts";
import type { OpenStore } from "./stores/open.ts";
import type { StoreSettings } from "./stores/settings.ts";

/** What a running command has to do with. */
export interface Context<Specs extends OptionSpecs = OptionSpecs> {
  readonly values: Values<Specs>;
  readonly arguments: readonly string[];
  readonly output: Output;
  /** Aborts when the command is interrupted. */
  readonly signal: AbortSignal;
  /** The store that the options, the environment or the configuration file name. */
  readonly settings: StoreSettings;
  /** Every command. */
  readonly groups: CommandGroups;
  /** Opens that store, once. It is closed when the command has ended. */
  open(): Promise<OpenStore>;
}

export interface CommandSpec<Specs extends OptionSpecs> {
  /** The arguments behind the command's name, such as `<id>...`. */
  readonly usage: string;
  /** Fewest and most arguments. */
  readonly arity: readonly [number, number];
  readonly options: Specs;
  /** Paragraphs below the options. */
  readonly details?: string;
  /** `true`: `--read-only` refuses the command, unless it is a dry run. */
  readonly writes: boolean;
  /** `true`: the command needs no store, and `settings` cannot be used. */
  readonly storeless?: boolean;
  /** @returns the exit code */
  run(context: Context<Specs>): Promise<number>;
}

/** A command whose options are known by name only. */
export type Command = CommandSpec<OptionSpecs>;

export interface CommandEntry {
  readonly summary: string;
  /** Loads the command's module, and with it nothing that other commands need. */
  load(): Promise<{ readonly default: Command }>;
}

/** Commands by name, in the groups of the help. */
export type CommandGroups = Readonly<Record<string, Readonly<Record<string, CommandEntry>>>>;

export function defineCommand<const Specs extends OptionSpecs>(command: CommandSpec<Specs>): Command {
  // Values are read by the specs that made them.
  return command as unknown as Command;
}
