/** For Next.js, as `app/ops/[[...path]]/route.ts`. */
import { dashboard } from "../operators.ts";

export const GET = dashboard.fetch;
export const POST = dashboard.fetch;

// The answers are of the moment, and of the visitor.
export const dynamic = "force-dynamic";
export const runtime = "nodejs";
