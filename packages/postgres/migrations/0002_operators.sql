-- An addition: packages that know only the versions before it go on.

-- What happened to a task, for operators: the last lines of text.
ALTER TABLE mcp_tasks.tasks ADD COLUMN history text;

-- Building it blocks writers, at 10,000,000 tasks for seconds. To avoid that, make it before with
-- CREATE INDEX CONCURRENTLY.
CREATE INDEX IF NOT EXISTS tasks_failed ON mcp_tasks.tasks (position) WHERE status = 'failed';

-- The names whose tasks are not claimed.
CREATE TABLE mcp_tasks.task_pauses (
  name text COLLATE "C" PRIMARY KEY
);

INSERT INTO mcp_tasks.task_store_migrations (version, name) VALUES (-2, 'operators');
