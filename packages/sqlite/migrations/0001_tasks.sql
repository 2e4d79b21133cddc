-- Two more indexes, for claims and for caps, are made by the first call that needs them.
CREATE TABLE mcp_tasks (
  -- Creation order: the value of the change counter when the task was made.
  position INTEGER PRIMARY KEY,
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
  status_message TEXT,
  -- Small payloads; NULL when there is none, or it is in the table of payloads. Behind all else, so
  -- that a read of the status stops before them.
  request TEXT,
  inputs TEXT,
  checkpoint TEXT,
  outcome TEXT
);

CREATE UNIQUE INDEX mcp_tasks_by_id ON mcp_tasks (task_id);
-- Every index ends with the position: this one is a list of each owner's tasks in creation order.
CREATE INDEX mcp_tasks_by_owner ON mcp_tasks (owner);
CREATE INDEX mcp_tasks_by_expiry ON mcp_tasks (expires_at) WHERE expires_at IS NOT NULL;

-- Large payloads: a row is rewritten whole, and none of these is read or written along with
-- anything else.
CREATE TABLE mcp_payloads (
  position INTEGER NOT NULL,
  field TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (position, field)
) WITHOUT ROWID;

-- Stores that listen for the changes of others. Writers log changes only while there is one,
-- because each entry writes one more page.
CREATE TABLE mcp_listeners (
  id INTEGER PRIMARY KEY,
  listens_until INTEGER NOT NULL,
  -- 1 for every change, 0 for those after which the task can be claimed.
  every_change INTEGER NOT NULL
);

-- The log of the latest visible changes, made while another store listened. A new task has no
-- entry: its position is its number.
CREATE TABLE mcp_changes (
  -- The value of the change counter, which is the largest of this and of the tasks' positions.
  seq INTEGER PRIMARY KEY,
  position INTEGER NOT NULL
);

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
  store_id TEXT NOT NULL
);

INSERT INTO mcp_store (id, store_id) VALUES (1, lower(hex(randomblob(16))));
