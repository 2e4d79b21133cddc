/**
 * Runs scenarios on stores, prints each table when its figures are complete, and writes the results
 * of each store.
 */
import { hostsOf } from "./hosts.ts";
import { machine, versions } from "./machine.ts";
import { measure } from "./measure.ts";
import type { BenchOptions } from "./options.ts";
import { write } from "./results.ts";
import type { Row } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/index.ts";
import type { Section } from "./section.ts";
import type { StoreName } from "./stores.ts";
import { tableOf } from "./table.ts";

export async function runBench(options: BenchOptions, signal: AbortSignal): Promise<void> {
  const about = machine();
  console.log(
    `${about.cores} cores of ${about.cpu}, ${about.memoryGiB} GiB, ${about.system}, ${about.fileSystem}, load ${about.loadBefore.toFixed(1)}`,
  );
  console.log(
    Object.entries(versions())
      .map((version) => version.join(" "))
      .join(", "),
  );
  for (const store of options.stores) {
    const sections = await measureStore(store, options, signal);
    if (options.out === undefined || sections.length === 0) continue;
    const order = SCENARIOS.map(({ name }) => name);
    const paths = await write(options.out, { store, sections }, order);
    console.log(`\nwrote ${paths.join(", ")}`);
  }
}

async function measureStore(
  store: StoreName,
  { scenarios, settings: bench }: BenchOptions,
  signal: AbortSignal,
): Promise<Section[]> {
  const wanted = scenarios.filter(({ stores }) => stores.includes(store));
  if (wanted.length === 0) return [];
  const sections: Section[] = [];
  for (const start of hostsOf(store)) {
    await using servers = new AsyncDisposableStack();
    const { variant, server, settings, serverCpu, place } = await start(servers);
    const inForce = Object.entries(settings).map(([name, value]) => `${name} ${value || '""'}`);
    console.log(`\n== ${store}, ${variant} ==\n${[server, ...inForce].join(", ")}`);
    for (const { name: scenario, title, notes, comparisons } of wanted) {
      await using room = new AsyncDisposableStack();
      const rows: Row[] = [];
      const about = { machine: machine(), versions: versions(), bench };
      for (const comparison of comparisons(await place(room), bench)) {
        signal.throwIfAborted();
        rows.push(...(await measure(comparison, bench, serverCpu)));
      }
      const measuredAt = new Date().toISOString();
      const section: Section = { scenario, title, notes, variant, server, settings, measuredAt, ...about, rows };
      console.log(`\n${tableOf(section)}`);
      sections.push(section);
    }
  }
  return sections;
}
