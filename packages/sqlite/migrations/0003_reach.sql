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

-- The notifiers, for which each change of a task of these kinds has an event. The kinds have commas
-- between them and around them.
CREATE TABLE mcp_notifiers (
  name TEXT PRIMARY KEY,
  kinds TEXT NOT NULL
) WITHOUT ROWID;

-- The events that are not delivered yet, for each notifier its own. The triggers that write them
-- exist while there is a notifier.
CREATE TABLE mcp_events (
  -- AUTOINCREMENT, so that no event gets the number of one that was delivered.
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  notifier TEXT NOT NULL,
  kind TEXT NOT NULL,
  at INTEGER NOT NULL,
  -- From then on the event may be taken. NULL if it is set aside, and of an event that was found to
  -- wait for an earlier one of its task.
  due_at INTEGER,
  token INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  set_aside INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  owner TEXT,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  status_message TEXT,
  error TEXT
);

CREATE INDEX mcp_events_due ON mcp_events (notifier, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX mcp_events_by_task ON mcp_events (notifier, task_id);
