-- An addition: packages that know only the versions before it go on.

-- What the runs of a task have kept, one row a step. The step without a name counts failures.
-- Without a foreign key, which would look here for each task that is deleted.
CREATE TABLE mcp_tasks.task_steps (
  position bigint NOT NULL,
  name text COLLATE "C" NOT NULL,
  body text NOT NULL,
  PRIMARY KEY (position, name)
);

-- The lease token under which a claim with limits took the task. The task fills a place under the
-- limits while this is its lease's token and the lease has not lapsed. The first such claim makes
-- the indexes for them.
ALTER TABLE mcp_tasks.tasks ADD COLUMN place_token bigint;

-- By name, the owner whose task such a claim took last. The next owner is served next.
CREATE TABLE mcp_tasks.task_turns (
  name text COLLATE "C" PRIMARY KEY,
  owner text COLLATE "C"
);

INSERT INTO mcp_tasks.task_store_migrations (version, name) VALUES (-3, 'reach');
