-- A task's hash has few fields, since each costs on every write and read. `task` is what never changes, and `state` what changes
-- most, both with a space between their parts; a part that is null is empty. `statusMessage`, `owner` and the payloads (request,
-- inputs, checkpoint, outcome) have fields of their own, and none when they are null.
local TASK, STATE, MESSAGE, OWNER = 1, 2, 3, 4

-- The task's fields, those above and then what else is asked for, and the parts of its state; unless there is none or it has
-- expired. Parts are values and not a table, which with its end costs more than all that is done to them.
local function find(key, now, ...)
  local row = redis.call('HMGET', key, 'task', 'state', 'statusMessage', 'owner', ...)
  if not row[STATE] then return nil end
  local status, updated, expires, revision, attempt, token, lease =
    string.match(row[STATE], '(%S*) (%S*) (%S*) (%S*) (%S*) (%S*) (%S*)')
  if expires ~= '' and tonumber(expires) <= now then return nil end
  return row, status, updated, expires, revision, attempt, token, lease
end

-- What of a task never changes: when it was created, its ttl, poll interval, position and name. Nothing of none.
local function fixedParts(row)
  if row then return string.match(row[TASK], '(%S*) (%S*) (%S*) (%S*) (.*)') end
end
