import { drain } from "../../../tasks";

export const maxDuration = 60;

/** For the cron job in vercel.json: runs tasks whose client no longer asks for them. */
export async function GET(request: Request): Promise<Response> {
  const secret = process.env["CRON_SECRET"];
  if (!secret || request.headers.get("authorization") !== `Bearer ${secret}`)
    return new Response("Unauthorized", { status: 401 });
  return Response.json(await drain());
}
