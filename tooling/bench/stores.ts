export const STORES = ["memory", "sqlite", "postgres", "redis"] as const;
export type StoreName = (typeof STORES)[number];
