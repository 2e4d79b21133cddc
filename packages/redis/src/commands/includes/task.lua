-- A task's hash: one field for each part of a task; a part that is null has no field, or an empty one. The payloads
-- (request, inputs, checkpoint, outcome) are further fields, which nothing here reads. Names are written out in calls, because
-- a table of them would be made anew at each run of a script.
local OWNER, NAME, STATUS, MESSAGE, CREATED, UPDATED, TTL, EXPIRES = 1, 2, 3, 4, 5, 6, 7, 8
local REVISION, ATTEMPT, TOKEN, LEASE, POSITION = 10, 11, 12, 13, 14

-- The fields of the task, in that order, unless there is none or it has expired.
local function find(key, now)
  local row = redis.call('HMGET', key, 'owner', 'name', 'status', 'statusMessage', 'createdAt', 'updatedAt', 'ttl',
    'expiresAt', 'pollInterval', 'revision', 'attempt', 'leaseToken', 'leaseExpiresAt', 'position')
  if not row[STATUS] then return nil end
  local expires = row[EXPIRES]
  if expires and tonumber(expires) <= now then return nil end
  return row
end
