-- An addition: packages that know only the versions before it go on.

-- What happened to the task, for operators: lines of up to 4,096 characters in all, in the row.
ALTER TABLE mcp_tasks ADD COLUMN history TEXT;

-- The names whose tasks are not claimed.
CREATE TABLE mcp_paused (
  name TEXT PRIMARY KEY
) WITHOUT ROWID;
