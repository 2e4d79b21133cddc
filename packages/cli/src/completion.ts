import type { OptionSpec, OptionSpecs } from "./options.ts";

/** A command with all that can be completed. */
export interface Completable {
  readonly name: string;
  readonly summary: string;
  readonly options: OptionSpecs;
}

type Script = (commands: readonly Completable[], filterWords: readonly string[]) => string;

/** Options whose value is a file, or may be one. */
const FILES = ["store", "config", "codec"];

function flagsOf(name: string, { short }: OptionSpec): string[] {
  return short === undefined ? [`--${name}`] : [`-${short}`, `--${name}`];
}

/** Options of all commands that take this kind of value, as a pattern of bash. */
function patternOf(commands: readonly Completable[], take: (name: string) => boolean): string {
  const flags = commands.flatMap(({ options }) =>
    Object.entries(options).flatMap(([name, option]) => (take(name) ? flagsOf(name, option) : [])),
  );
  return [...new Set(flags)].join("|");
}

const bash: Script = (commands, filterWords) => {
  const flags = commands.map(({ name, options }) => {
    const words = Object.entries(options).flatMap(([option, spec]) => flagsOf(option, spec));
    return `    ${name}) words="${words.join(" ")}" ;;`;
  });
  const choices = commands.flatMap(({ name, options }) =>
    Object.entries(options).flatMap(([option, { choices: values }]) =>
      values ? [`    "${name} --${option}") words="${values.join(" ")}" ;;`] : [],
    ),
  );
  return `_mcp_tasks() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$current"))
    return
  fi
  case "$before" in
    ${patternOf(commands, (name) => FILES.includes(name))})
      COMPREPLY=($(compgen -f -- "$current"))
      return ;;
    ${patternOf(commands, (name) => name === "where")})
      compopt -o nospace
      COMPREPLY=($(compgen -W "${filterWords.join(" ")}" -- "$current"))
      return ;;
  esac
  case "\${COMP_WORDS[1]} $before" in
${choices.join("\n")}
    "completion completion") words="${Object.keys(SHELLS).join(" ")}" ;;
    *) case "\${COMP_WORDS[1]}" in
${flags.join("\n")}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _mcp_tasks mcp-tasks`;
};

/** A text in single quotes of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const zsh: Script = (commands, filterWords) => {
  const escaped = (text: string) => text.replace(/[\\[\]:]/g, "\\$&");
  const specs = ({ options }: Completable) =>
    Object.entries(options).map(([name, option]) => {
      const flags = flagsOf(name, option);
      const values = name === "where" ? filterWords : option.choices;
      const action = FILES.includes(name) ? "_files" : values ? `(${values.join(" ")})` : " ";
      const value = option.type === "string" ? `:${option.value ?? name}:${action}` : "";
      const several = option.multiple ? "*" : "";
      const rest = quoted(`[${escaped(option.help)}]${value}`);
      return flags.length === 1 || several
        ? flags.map((flag) => `${quoted(several + flag)}${rest}`).join(" ")
        : `'(${flags.join(" ")})'{${flags.join(",")}}${rest}`;
    });
  const cases = commands.map((command) => {
    const first = command.name === "completion" ? `'1:shell:(${Object.keys(SHELLS).join(" ")})' ` : "";
    return `    ${command.name}) _arguments ${first}${specs(command).join(" ")} ;;`;
  });
  return `#compdef mcp-tasks
_mcp_tasks() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${escaped(summary)}`)}`).join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${cases.join("\n")}
  esac
}
compdef _mcp_tasks mcp-tasks`;
};

const fish: Script = (commands, filterWords) => {
  const lines = commands.map(
    ({ name, summary }) => `complete -c mcp-tasks -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
  );
  for (const { name, options } of commands)
    for (const [option, { short, type, choices, help }] of Object.entries(options)) {
      const values = option === "where" ? filterWords : choices;
      const flags = `${short === undefined ? "" : `-s ${short} `}-l ${option}`;
      const takes = type === "boolean" ? "" : FILES.includes(option) ? " -r -F" : " -x";
      const given = values ? ` -a ${quoted(values.join(" "))}` : "";
      lines.push(
        `complete -c mcp-tasks -n '__fish_seen_subcommand_from ${name}' ${flags}${takes}${given} -d ${quoted(help)}`,
      );
    }
  const shells = quoted(Object.keys(SHELLS).join(" "));
  return [
    "complete -c mcp-tasks -f",
    ...lines,
    `complete -c mcp-tasks -n '__fish_seen_subcommand_from completion' -a ${shells}`,
  ].join("\n");
};

/** Scripts that complete command lines, by shell. */
export const SHELLS = { bash, zsh, fish } as const satisfies Record<string, Script>;
