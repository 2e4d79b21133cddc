import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { draw } from "../demo/drawing.ts";
import { storeNamed } from "../demo/stores.ts";
import * as story from "../demo/story.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("the demo's picture shows the demo's present output; otherwise run `npx pnpm@12 demo:picture`", () => {
  const digest = { files: 2, bytes: 2_000_000, sha256: "0".repeat(64) };
  const told = linesOf(() => {
    story.begin(storeNamed("sqlite"), "~/mcp-task-store", "2026-07-28");
    story.work(digest, 200, 10);
    story.called(1, "0".repeat(32));
    story.killed(1, 1, 2);
    story.reconnected(2);
    const result = { ...digest, attempt: 2, hashedBy: { 1: 1, 2: 1 } };
    story.finished(result, { first: 1, second: 2, takeoverMs: 1000, totalMs: 9000 });
  });
  const picture = textsOf(readFileSync(new URL("../demo/demo.svg", import.meta.url), "utf8"));
  expect(picture.map(withoutFigures)).toEqual(expect.arrayContaining(told.map(withoutFigures)));
});

describe("a drawing of a terminal", () => {
  const at = (seconds: number, text: string) => ({ at: 1000 * seconds, text });

  test("has a text for each line and for each state of a redrawn line", () => {
    const svg = draw("demo", "A title", [
      at(0, "one\n"),
      at(0.5, "\r\u001b[K1 of 2"),
      at(1, "\r\u001b[K2 of 2"),
      at(1.1, "\n"),
    ]);
    expect(textsOf(svg)).toEqual(["$ demo", "one", "1 of 2", "2 of 2"]);
    // Without animation, the last state of a line is visible.
    expect(svg.match(/class="past"[^>]*>[^<]*/g)).toEqual([expect.stringMatching(/>1 of 2$/)]);
    expect(svg).toContain("<title>A title</title>");
  });

  test("keeps the styles of its text across lines, and escapes markup", () => {
    const svg = draw("demo", "", [at(0, "\u001b[1mbold\n<still>\u001b[22m & \u001b[32mgreen\u001b[39m plain\n")]);
    expect(svg).toContain('<tspan class="bold">bold</tspan>');
    expect(svg).toContain(
      '<tspan class="bold">&lt;still></tspan> &amp; <tspan class="green">green</tspan> plain</text>',
    );
  });
});

/** The output while `tell` runs, without blank lines. */
function linesOf(tell: () => void): string[] {
  const log = vi.spyOn(console, "log").mockReturnValue(undefined);
  tell();
  const text = log.mock.calls.map(([line]) => stripVTControlCharacters(String(line))).join("\n");
  return text.split("\n").filter((line) => line !== "");
}

function textsOf(svg: string): string[] {
  const texts = [...svg.matchAll(/<text [^>]*>(.*)<\/text>/g)].map(([, content = ""]) => content);
  return texts.map((text) =>
    text
      .replaceAll(/<[^>]*>/g, "")
      .replaceAll("&lt;", "<")
      .replaceAll("&amp;", "&"),
  );
}

/** Replaces ids, digests and numbers, which differ between runs. */
function withoutFigures(line: string): string {
  return line.replaceAll(/\b[0-9a-f]{32,}\b/g, "#").replaceAll(/\d[\d.]*\d|\d/g, "#");
}
