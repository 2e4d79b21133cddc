import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { answer } from "./answers.ts";
import { files } from "./client/files.js";

const PAGE = "index.html";
const compress = promisify(gzip);
const compressed = new Map<string, Promise<Buffer>>();

/** Answers with a file of the pages; `undefined` if there is none of this name. */
export async function file(request: Request, path: string): Promise<Response | undefined> {
  const found = path !== PAGE && Object.hasOwn(files, path) ? files[path] : undefined;
  // The name of a file has a hash of its contents.
  return found && send(request, path, found.text, found.type, "private, max-age=31536000, immutable");
}

/** Answers with the page, the same for every address: its program shows what the address says. */
export async function page(request: Request, base: string): Promise<Response> {
  const { text, type } = files[PAGE] ?? { text: "", type: "text/html" };
  const html = text.replace("<head>", `<head><base href="${escaped(`${base}/`)}">`);
  return send(request, `${base} ${PAGE}`, html, type, "no-cache");
}

async function send(request: Request, key: string, text: string, type: string, cache: string): Promise<Response> {
  const headers = { "cache-control": cache, vary: "accept-encoding" };
  const head = request.method === "HEAD";
  if (!/\bgzip\b/.test(request.headers.get("accept-encoding") ?? ""))
    return answer(head ? null : text, `${type}; charset=utf-8`, { headers });
  let packed = compressed.get(key);
  if (!packed) {
    packed = compress(text);
    compressed.set(key, packed);
  }
  const body = head ? null : new Uint8Array(await packed);
  return answer(body, `${type}; charset=utf-8`, { headers: { ...headers, "content-encoding": "gzip" } });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
