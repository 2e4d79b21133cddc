-- Takes the lease of the claimable task whose lease lapsed first. Entries of tasks that are gone are removed on the way,
-- and after so many of them the caller has to try again.
-- KEYS[1] task:*: the hash of the task found
-- KEYS[2] active: every active task, by expiry
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- ARGV[1] milliseconds until the lease lapses
-- ARGV[2..] names
-- Returns the task's id, the time, the task, and its request, inputs and checkpoint; nothing; or 'again'
-- include "apply"
local taskFamily, claimsFamily = KEYS[1], KEYS[4]
local durationMs = ARGV[1]

local now = clock()
for _ = 1, 500 do
  local taskId, lapsed, source
  for i = 2, #ARGV do
    local claims = member(claimsFamily, ARGV[i])
    local first = redis.call('ZRANGEBYSCORE', claims, '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, 1)
    if first[1] and (not lapsed or tonumber(first[2]) < lapsed) then
      taskId, lapsed, source = first[1], tonumber(first[2]), claims
    end
  end
  if not taskId then return false end

  local task = member(taskFamily, taskId)
  local row = find(task, now)
  if row and tonumber(row[LEASE]) == lapsed and member(claimsFamily, row[NAME]) == source then
    local keys = { task = task, active = KEYS[2], activeOf = KEYS[3], claims = claimsFamily, expiring = KEYS[5] }
    applyPatch(keys, taskId, row, now, {}, 'take', durationMs)
    return { taskId, text(now), row, redis.call('HMGET', task, 'request', 'inputs', 'checkpoint') }
  end
  redis.call('ZREM', source, taskId)
end
return 'again'
