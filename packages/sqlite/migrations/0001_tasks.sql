-- What a status change touches. A row is rewritten whole, so payloads are in a table of their own.
CREATE TABLE mcp_tasks (
  -- Creation order: the value of the change counter when the task was made.
  position INTEGER PRIMARY KEY,
  -- The value of the change counter at the last change that a reader can see.
  change_seq INTEGER NOT NULL,
  task_id TEXT NOT NULL,
  owner TEXT,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  ttl INTEGER,
  expires_at INTEGER,
  poll_interval INTEGER,
  revision INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  lease_token INTEGER NOT NULL,
  -- NULL once the task is terminal.
  lease_expires_at INTEGER,
  status_message TEXT
);

CREATE UNIQUE INDEX mcp_tasks_by_id ON mcp_tasks (task_id);
CREATE INDEX mcp_tasks_by_change ON mcp_tasks (change_seq);
-- Every index ends with the position: this one is a list of each owner's tasks in creation order.
CREATE INDEX mcp_tasks_by_owner ON mcp_tasks (owner);
CREATE INDEX mcp_tasks_by_expiry ON mcp_tasks (expires_at) WHERE expires_at IS NOT NULL;
-- The next two hold active tasks only.
CREATE INDEX mcp_tasks_by_lease ON mcp_tasks (name, lease_expires_at) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX mcp_tasks_active ON mcp_tasks (owner, expires_at) WHERE lease_expires_at IS NOT NULL;

-- One row for each payload, so that none is read or written along with another.
CREATE TABLE mcp_payloads (
  position INTEGER NOT NULL,
  field TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (position, field)
) WITHOUT ROWID;

CREATE TABLE mcp_messages (
  id INTEGER PRIMARY KEY,
  task_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  body TEXT NOT NULL
);

CREATE INDEX mcp_messages_by_task ON mcp_messages (task_id);
CREATE INDEX mcp_messages_by_expiry ON mcp_messages (expires_at);

CREATE TABLE mcp_store (
  id INTEGER PRIMARY KEY,
  store_id TEXT NOT NULL,
  -- The change counter never falls below this, whatever tasks are deleted.
  last_change INTEGER NOT NULL
);

INSERT INTO mcp_store (id, store_id, last_change) VALUES (1, lower(hex(randomblob(16))), 0);
