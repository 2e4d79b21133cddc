import { FILTER_WORDS } from "@mcp-task-store/core";
import { defineCommand } from "../command.ts";
import { optionsOf } from "../common-options.ts";
import { type Completable, SHELLS } from "../completion.ts";
import { EXIT, UsageError } from "../exit.ts";

const names = Object.keys(SHELLS);

export default defineCommand({
  usage: names.join(" | "),
  arity: [1, 1],
  writes: false,
  storeless: true,
  options: {},
  details: `bash: add to ~/.bashrc      eval "$(mcp-tasks completion bash)"
zsh:  add to ~/.zshrc       eval "$(mcp-tasks completion zsh)"
fish: add to config.fish    mcp-tasks completion fish | source`,
  async run({ arguments: [shell = ""], output, groups }) {
    if (!Object.hasOwn(SHELLS, shell)) throw new UsageError(`there are completions for ${names.join(", ")}`);
    const commands: Completable[] = [];
    for (const [name, { summary, load }] of Object.values(groups).flatMap((group) => Object.entries(group)))
      commands.push({ name, summary, options: optionsOf((await load()).default) });
    const script = SHELLS[shell as keyof typeof SHELLS];
    output.line(script(commands, Object.keys(FILTER_WORDS)));
    return EXIT.ok;
  },
});
