-- An addition: packages that know only the versions before it go on.

-- The lease token under which a claim with limits took the task. The task fills a place under the
-- limits while this is its lease's token and the lease has not lapsed. The first such claim makes
-- the indexes for them.
ALTER TABLE mcp_tasks ADD COLUMN place_token INTEGER;

-- By name, the owner whose task such a claim took last. The next owner is served next.
CREATE TABLE mcp_turns (
  name TEXT PRIMARY KEY,
  owner TEXT
) WITHOUT ROWID;
