import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import type { Command, Context } from "./command.ts";
import { commandNamed, commandNames, GROUPS } from "./commands/index.ts";
import { type COMMON_OPTIONS, optionsOf } from "./common-options.ts";
import { EXIT, Interrupted, SIGNALLED, UsageError } from "./exit.ts";
import { failureText } from "./failures.ts";
import { commandHelp, programHelp } from "./help.ts";
import type { OptionSpecs, Values } from "./options.ts";
import { coloursOf, Output } from "./output/output.ts";
import { secretsOf } from "./stores/address.ts";
import { type OpenStore, openStore } from "./stores/open.ts";
import { type STORE_OPTIONS, type StoreSettings, storeSettings } from "./stores/settings.ts";

type CommonValues = Values<typeof COMMON_OPTIONS & typeof STORE_OPTIONS & { "dry-run": { type: "boolean"; help: "" } }>;

/** Runs a command line, and returns its exit code. It never throws. */
export async function run(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const [first, ...rest] = argv;
  let output = new Output("", false, coloursOf(undefined, process.env));
  try {
    if (first === undefined || first === "help" || first === "--help" || first === "-h") {
      const [name] = rest;
      if (name === undefined || name.startsWith("-")) {
        output.line(programHelp());
        // Without a command there is nothing to do.
        return first === undefined ? EXIT.usage : EXIT.ok;
      }
      return await run([name, "--help"], signal);
    }
    if (first === "--version" || first === "-V") {
      output.line(await version());
      return EXIT.ok;
    }
    const { entry, name } = found(first);
    const { default: command } = await entry.load();
    const { values, positionals } = parsed(rest, command, name);
    const common = values as CommonValues;
    output = new Output(name, common.json ?? false, coloursOf(common.color, process.env));
    if (common.help) {
      output.line(commandHelp(name, entry.summary, command));
      return EXIT.ok;
    }
    const [least, most] = command.arity;
    if (positionals.length < least || positionals.length > most)
      throw new UsageError(`usage: mcp-tasks ${name} ${command.usage}`);
    return await runCommand(command, values, positionals, output, signal);
  } catch (error) {
    const thrown = signal.aborted ? signal.reason : error;
    if (thrown instanceof Interrupted) {
      // The reader of a pipe is gone.
      if (thrown.signal !== "SIGPIPE") output.error(thrown.message);
      return SIGNALLED + constants.signals[thrown.signal];
    }
    output.error(failureText(error));
    if (!(error instanceof UsageError)) return EXIT.failed;
    return EXIT.usage;
  }
}

async function runCommand(
  command: Command,
  values: Values<OptionSpecs>,
  positionals: readonly string[],
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  let settings: StoreSettings | undefined;
  let opened: Promise<OpenStore> | undefined;
  if (!command.storeless) {
    settings = await storeSettings(values as CommonValues, process.env);
    output.hide(secretsOf(settings.address));
    if (settings.readOnly && command.writes && !values["dry-run"])
      throw new UsageError(
        "the store is read-only here: leave out --read-only or give --no-read-only to change it, or give --dry-run",
      );
  }
  const context: Context = {
    values,
    arguments: positionals,
    output,
    signal,
    settings: settings as StoreSettings,
    groups: GROUPS,
    open: () => (opened ??= openStore(settings as StoreSettings, (error) => output.warn(failureText(error)))),
  };
  try {
    return await command.run(context);
  } catch (error) {
    // What the store refuses was on the command line.
    if (/^INVALID_(ARGUMENT|CURSOR)$/.test(`${(error as { code?: unknown })?.code}`))
      throw new UsageError(failureText(error));
    throw error;
  } finally {
    await opened?.then((store) => store.close()).catch(() => undefined);
  }
}

function found(name: string) {
  const entry = commandNamed(name);
  if (entry) return { entry, name };
  if (name.startsWith("-")) throw new UsageError("the command comes first: mcp-tasks <command> [options]");
  throw new UsageError(`there is no command ${JSON.stringify(name)}: the commands are ${commandNames().join(", ")}`);
}

function parsed(args: readonly string[], command: Command, name: string) {
  const options = optionsOf(command);
  let result: { values: Values<OptionSpecs>; positionals: string[] };
  try {
    result = parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true }) as typeof result;
  } catch (error) {
    // Node's first sentence says what is wrong, and the others how to quote an argument.
    const [sentence = ""] = (error as Error).message.split(/\. |\n/, 1);
    throw new UsageError(`${sentence}: see mcp-tasks ${name} --help`);
  }
  for (const [option, { choices }] of Object.entries(options)) {
    const value = result.values[option];
    if (choices && value !== undefined && !choices.includes(value as string))
      throw new UsageError(`--${option} takes ${choices.join(" or ")}`);
  }
  return result;
}

async function version(): Promise<string> {
  const manifest = await readFile(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
