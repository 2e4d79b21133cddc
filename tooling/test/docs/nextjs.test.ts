import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../packages.ts";

const read = (path: string) => readFileSync(join(repositoryRoot, path), "utf8").replaceAll("\r\n", "\n");

test.each(["tasks.ts", "app/api/mcp/route.ts", "app/api/cron/route.ts", "vercel.json"])(
  "the page on Next.js shows %s of the example",
  (file) => {
    const page = read("tooling/docs/scenarios/nextjs-vercel.md");
    expect(page).toContain(`\`${file}\``);
    expect(page).toContain(`\n${read(`tooling/examples/nextjs/${file}`)}\`\`\`\n`);
  },
);
