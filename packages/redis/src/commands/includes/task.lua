-- A task's hash has few fields, since each costs on every write and read. `task` holds the fixed
-- parts, and `state` those that change most, separated by spaces, with an empty part for null.
-- `statusMessage`, `owner` and the payloads (request, inputs, checkpoint, outcome, history) have
-- their own fields, which are absent when null. `watched` is there if the task is in that set.
local TASK, STATE, MESSAGE, OWNER = 1, 2, 3, 4

-- The task's fields, first those above and then the requested ones, and the parts of its state. Nil
-- if the task is unknown or expired. It returns values, as making a table costs more than its use.
local function find(key, now, ...)
  local row = redis.call('HMGET', key, 'task', 'state', 'statusMessage', 'owner', ...)
  if not row[STATE] then return nil end
  local status, updated, expires, revision, attempt, token, lease =
    string.match(row[STATE], '(%S*) (%S*) (%S*) (%S*) (%S*) (%S*) (%S*)')
  if expires ~= '' and tonumber(expires) <= now then return nil end
  return row, status, updated, expires, revision, attempt, token, lease
end

-- The fixed parts of a task: creation time, ttl, poll interval, position and name. Nothing without
-- a task.
local function fixedParts(row)
  if row then return string.match(row[TASK], '(%S*) (%S*) (%S*) (%S*) (.*)') end
end
