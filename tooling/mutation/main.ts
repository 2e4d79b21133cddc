import { type Mutant, sampleOf } from "./mutant.ts";
import { HELP, type Options, optionsOf } from "./options.ts";
import { reasonFor } from "./reasons.ts";
import { Session } from "./session.ts";
import { allMutants, type Backend, PLACES_OF, TARGETS_OF, type Target } from "./targets.ts";
import { type Verdict, Verdicts } from "./verdicts.ts";

const options = optionsOf(process.argv.slice(2));
if (options) await main(options);
else console.log(HELP);

async function main(chosen: Options): Promise<void> {
  for (const backend of chosen.backends) {
    const targets = (chosen.targets ?? TARGETS_OF[backend]).filter((each) => TARGETS_OF[backend].includes(each));
    const sessions: Session[] = [];
    try {
      for (const target of targets) {
        const verdicts = new Verdicts(backend, target);
        const all = allMutants(backend, target).filter(({ file }) => file.includes(chosen.only ?? ""));
        const sample = sampleOf(all, chosen.sample, chosen.seed);
        // In the order of the sample, so that a run which is stopped has judged a smaller one. With
        // those of earlier samples.
        const inReport = () => [...sample, ...all.filter((mutant) => !sample.includes(mutant) && verdicts.get(mutant))];
        const waiting = inReport().filter((mutant) => isWaiting(mutant, verdicts, chosen));
        if (waiting.length > 0 && sessions.length === 0)
          for (const place of PLACES_OF[backend]) sessions.push(await Session.start(place));
        await runAll(waiting, sessions, verdicts, chosen.parallel);
        report(backend, target, inReport(), all.length, verdicts);
      }
    } finally {
      for (const session of sessions) await session.stop();
    }
  }
}

function isWaiting(mutant: Mutant, verdicts: Verdicts, { excused, survivors }: Options): boolean {
  if (!excused && reasonFor(mutant)) return false;
  const verdict = verdicts.get(mutant);
  return verdict === undefined || (survivors && verdict.status === "survived");
}

async function runAll(
  waiting: readonly Mutant[],
  sessions: readonly Session[],
  verdicts: Verdicts,
  parallel: number,
): Promise<void> {
  const mutants = waiting.values();
  let done = 0;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      for (const mutant of mutants) {
        const verdict = await runOne(mutant, sessions);
        verdicts.add(mutant, verdict);
        done += 1;
        const { status, by, ms } = verdict;
        const { file, line, change } = mutant;
        console.log(`${done}/${waiting.length} ${status} ${file}:${line} ${change} ${by && `by ${by}`} (${ms} ms)`);
      }
    }),
  );
}

/** Runs the mutant on one store after the other until a case fails. */
async function runOne(mutant: Mutant, sessions: readonly Session[]): Promise<Verdict> {
  let verdict: Verdict | undefined;
  for (const session of sessions) {
    verdict = await session.run(mutant);
    if (verdict.status !== "survived") break;
  }
  return verdict as Verdict;
}

function report(backend: Backend, target: Target, judged: readonly Mutant[], all: number, verdicts: Verdicts): void {
  const excused = judged.filter((mutant) => reasonFor(mutant));
  const counted = judged.filter((mutant) => !reasonFor(mutant));
  const of = (status: string) => counted.filter((mutant) => verdicts.get(mutant)?.status === status);
  const [killed, survived, invalid] = [of("killed"), of("survived"), of("invalid")];
  const share = (100 * killed.length) / (killed.length + survived.length);
  console.log(`\n${backend}, ${target}: ${judged.length} of ${all} mutants`);
  console.log(
    `  killed ${killed.length}, survived ${survived.length}, excused ${excused.length}, invalid ${invalid.length}: ${share.toFixed(1)} % killed`,
  );
  const byPlace = survived.toSorted((one, other) => one.file.localeCompare(other.file) || one.line - other.line);
  for (const { file, line, change, lineText } of byPlace)
    console.log(`  ${file}:${line}  ${change}\n      ${lineText}`);
  for (const mutant of excused)
    if (verdicts.get(mutant)?.status === "killed")
      console.log(`  A case catches what a reason excuses: ${mutant.file}:${mutant.line}  ${mutant.change}`);
}
