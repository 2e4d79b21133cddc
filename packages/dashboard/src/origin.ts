import { Refusal } from "./failures.ts";

export interface OriginRules {
  readonly allowedHosts: readonly string[] | undefined;
  readonly allowedOrigins: readonly string[];
}

/** Refuses requests under a name that is not the dashboard's. */
export function checkHost(url: URL, { allowedHosts }: OriginRules): void {
  if (allowedHosts !== undefined && !allowedHosts.includes(url.host))
    throw new Refusal(421, "WRONG_HOST", "The dashboard does not answer under this host");
}

/**
 * Refuses an act that a page of another site sent. Browsers say where a request comes from
 * (`Sec-Fetch-Site`, `Origin`), and let pages send JSON elsewhere only after asking, which the
 * dashboard never allows. Programs send neither header.
 */
export function checkOrigin(request: Request, url: URL, { allowedOrigins }: OriginRules): void {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json")
    throw new Refusal(415, "WRONG_TYPE", "An act is sent with the content type application/json");
  const origin = request.headers.get("origin");
  if (origin !== null && allowedOrigins.includes(origin)) return;
  const site = request.headers.get("sec-fetch-site");
  const foreign = site === null ? origin !== null && hostOf(origin) !== url.host : site !== "same-origin";
  if (foreign) throw new Refusal(403, "WRONG_ORIGIN", "Acts are taken only from the dashboard's own pages");
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
