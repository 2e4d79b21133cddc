/** An option of a command line. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** The option may be given several times. */
  readonly multiple?: boolean;
  /** The name of the value in the help, such as `FILTER`. */
  readonly value?: string;
  /** The only values, for checks and completion. */
  readonly choices?: readonly string[];
  /** One line for the help. */
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** The values of options, by the types in their table. */
export type Values<Specs extends OptionSpecs> = {
  readonly [Name in keyof Specs]?:
    | (Specs[Name]["type"] extends "boolean" ? boolean : Specs[Name] extends { multiple: true } ? string[] : string)
    | undefined;
};
