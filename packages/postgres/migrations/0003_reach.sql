-- An addition: packages that know only the versions before it go on.

-- What the runs of a task have kept, one row a step. The step without a name counts failures.
-- Without a foreign key, which would look here for each task that is deleted.
CREATE TABLE mcp_tasks.task_steps (
  position bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (position, name)
);

INSERT INTO mcp_tasks.task_store_migrations (version, name) VALUES (-3, 'reach');
