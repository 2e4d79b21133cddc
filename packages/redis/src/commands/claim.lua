-- Takes the lease of the claimable task whose lease lapsed first. Entries of tasks that are gone are removed on the way,
-- and after so many of them the caller has to try again.
-- KEYS[1] task:*: the hash of the task found
-- KEYS[2] active: every active task, by expiry
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- ARGV[1] milliseconds until the lease lapses
-- ARGV[2..] names
-- Returns the task's fields, its request, inputs and checkpoint, its id, and the time; nothing; or 'again'
-- include "clock"
-- include "keys"
-- include "task"
local taskFamily, active, activeOfFamily, claimsFamily, expiring = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local durationMs, action, firstField = ARGV[1], 'take', #ARGV + 1

local now, time = clock()
local taskId, task, row, status, updated, expires, revision, attempt, token, lease
for _ = 1, 500 do
  local lapsed, source
  for i = 2, #ARGV do
    local claims = member(claimsFamily, ARGV[i])
    local first = redis.call('ZRANGEBYSCORE', claims, '-inf', time, 'WITHSCORES', 'LIMIT', 0, 1)
    if first[1] and (not lapsed or tonumber(first[2]) < lapsed) then
      taskId, lapsed, source = first[1], tonumber(first[2]), claims
    end
  end
  if not lapsed then return false end

  task = member(taskFamily, taskId)
  row, status, updated, expires, revision, attempt, token, lease = find(task, now, 'request', 'inputs', 'checkpoint')
  -- Another time is that of a newer task with the id of an expired one, and so may be another name.
  local _, _, _, _, name = fixedParts(row)
  if row and tonumber(lease) == lapsed and member(claimsFamily, name) == source then break end
  row = nil
  redis.call('ZREM', source, taskId)
end
if not row then return 'again' end
-- include "apply"
row[8], row[9] = taskId, time
return row
