import type { DefaultTheme } from "vitepress";

type Item = DefaultTheme.SidebarItem;

/** Each room of the site with its pages, in the order in which they are read. */
const start = room("Start", "start", {
  "five-minutes": "Five minutes to a durable task",
  "which-store": "Which store?",
  "with-an-agent": "Set up with an agent",
  "how-it-works": "How it works",
});

const guides = [
  room("Tools as tasks", "guides", {
    "long-work": "Long work, progress, cancelling",
    "following-a-task": "Following a task",
    asking: "Asking the user",
    "clients-without-tasks": "Clients that know no tasks",
    steps: "Retries, steps and sleeps",
    "running-tasks": "Workers elsewhere",
    "scaling-out": "Scaling out",
    serverless: "Serverless",
    "creating-once": "Idempotent creation",
    "server-options": "Options of the server",
  }),
  room("Data", "guides", {
    expiry: "Expiry and retention",
    owners: "Owners and authorization",
    limits: "Limits",
    payloads: "Payloads",
  }),
  room("Other systems", "guides", {
    notifying: "Webhooks",
    "following-remote-tasks": "Following remote tasks",
    "sdk-1": "SDK 1.x",
    "both-generations": "Both generations at once",
    processes: "The process around a store",
  }),
  room("Testing", "guides", {
    testing: "Testing your server",
    "fake-timers": "Fake timers",
  }),
  room("A store of your own", "guides", {
    "writing-a-backend": "Writing a backend",
    "conformance-suite": "Proving it",
  }),
];

const stores = room("Stores", "stores", {
  sqlite: "SQLite",
  postgres: "PostgreSQL",
  redis: "Redis and Valkey",
  memory: "Memory",
});

const run = [
  room("Before production", "run", {
    checklist: "Production checklist",
    sizing: "Sizing",
    durability: "Durability",
    "security-model": "Security model",
    "supply-chain": "The supply chain",
  }),
  room("In production", "run", {
    observability: "Monitoring",
    tracing: "Traces and metrics",
    operating: "Operating a store",
    cli: "Command line",
    dashboard: "Dashboard",
    runbooks: "What to do when ...",
    backups: "Backups and restores",
    upgrading: "Upgrades and rolling deployments",
  }),
  room("Payloads", "run", {
    encryption: "Compressing and encrypting",
    "large-payloads": "Large payloads",
    "rotating-keys": "Rotating keys",
  }),
];

const scenarios = room("Scenarios", "scenarios", {
  "claude-code": "Claude Code",
  "nextjs-vercel": "Next.js on Vercel",
  hono: "Hono",
  kubernetes: "Kubernetes and Fly",
  "redis-cluster": "Redis Cluster",
  "supabase-neon": "Supabase and Neon",
});

const compare = room("Compare", "compare", {
  "who-has-what": "Who has what",
  "upgrading-to-durable-tasks": "From the SDK's stores and @adcp/sdk",
  fastmcp: "From FastMCP",
  "job-queues": "From BullMQ or pg-boss",
  compatibility: "Clients, frameworks, runtimes",
});

const inside = room("Inside", "inside", {
  architecture: "Architecture",
  "decisions/": "Decisions",
  "how-we-test": "How we test",
  benchmarks: "Benchmarks",
});

const reference = [
  room("Reference", "reference", {
    contract: "The contract of a store",
    "store-options": "Options of every store",
    errors: "Errors",
    "cli-json": "JSON of mcp-tasks",
    "dashboard-api": "The dashboard's API",
  }),
  room("Packages", "reference/api", {
    core: "core",
    "core/backend/": "core/backend",
    "core/conformance": "core/conformance",
    server: "server",
    "server/client": "server/client",
    "server/sdk": "server/sdk",
    memory: "memory",
    sqlite: "sqlite",
    "sqlite/schema": "sqlite/schema",
    postgres: "postgres",
    "postgres/schema": "postgres/schema",
    redis: "redis",
    s3: "s3",
    dashboard: "dashboard",
    "dashboard/node": "dashboard/node",
    otel: "otel",
  }),
];

export const nav: DefaultTheme.NavItem[] = [
  { text: "Start", link: "/start/five-minutes", activeMatch: "^/(start|stores)/" },
  { text: "Guides", link: "/guides/long-work", activeMatch: "^/(guides|scenarios)/" },
  { text: "Run it", link: "/run/checklist", activeMatch: "^/run/" },
  { text: "Compare", link: "/compare/who-has-what", activeMatch: "^/compare/" },
  { text: "Inside", link: "/inside/architecture", activeMatch: "^/inside/" },
  { text: "Reference", link: "/reference/errors", activeMatch: "^/reference/" },
];

/** All rooms, for the list of pages that agents read. */
export const rooms: Item[] = [start, stores, ...guides, scenarios, ...run, compare, inside, ...reference];

const reading = [start, stores, ...guides, scenarios];

export const sidebar: DefaultTheme.SidebarMulti = {
  "/start/": reading,
  "/stores/": reading,
  "/guides/": reading,
  "/scenarios/": reading,
  "/run/": run,
  "/compare/": [compare],
  "/inside/": [inside],
  "/reference/": reference,
};

function room(text: string, folder: string, pages: Readonly<Record<string, string>>): Item {
  return { text, items: Object.entries(pages).map(([page, title]) => ({ text: title, link: `/${folder}/${page}` })) };
}
