import type { ObjectPage } from "@mcp-task-store/core";

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Reads the answer to a list, which is a flat document without attributes, comments or CDATA.
 * @param skip How many characters of each key are the storage's prefix.
 * @see Amazon S3 API, "ListObjectsV2"
 */
export function pageOf(xml: string, skip: number, now: number): ObjectPage {
  const contents = xml.match(/<Contents>.*?<\/Contents>/gs) ?? [];
  return {
    objects: contents.map((each) => ({
      key: textOf(each, "Key").slice(skip),
      writtenAt: Date.parse(textOf(each, "LastModified")),
    })),
    more: textOf(xml, "IsTruncated") === "true",
    now,
  };
}

/** The text of the first element of this name; empty if there is none. */
export function textOf(xml: string, element: string): string {
  const text = new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1] ?? "";
  return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
