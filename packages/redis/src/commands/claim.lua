-- Takes the leases of claimable tasks, starting with the first to lapse. Entries of deleted tasks
-- are removed on the way. After too many of them the caller must try again.
-- KEYS[1] task:*: the hash of the task found
-- KEYS[2] active: every active task, by expiry, once a cap is set
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- KEYS[6] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- ARGV[1] milliseconds until the leases lapse
-- ARGV[2] most tasks to take
-- ARGV[3] a line to append to the history of each task, or ''
-- ARGV[4..] names
-- Returns the time, for each task its fields, request, inputs, checkpoint and id, and 1 if there
-- may be more tasks
-- include "clock"
-- include "keys"
-- include "task"
-- include "history"
-- include "queue"
local taskFamily, active, activeOfFamily, claimsFamily, expiring = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local queueFamily = KEYS[6]
local leaseMs, most, entry, action = ARGV[1], tonumber(ARGV[2]), ARGV[3], 'take'
local names = { unpack(ARGV, 4) }
local firstField = #ARGV + 1

local now, time = clock()
local claimed, lost = {}, 0
while #claimed < most do
  local taskId, lapsed, source
  for _, name in ipairs(names) do
    local claims = member(claimsFamily, name)
    local first = redis.call('ZRANGEBYSCORE', claims, '-inf', time, 'WITHSCORES', 'LIMIT', 0, 1)
    if first[1] and first[1] ~= MARK and (not lapsed or tonumber(first[2]) < lapsed) then
      taskId, lapsed, source = first[1], tonumber(first[2]), claims
    end
  end
  if not lapsed then break end

  local task = member(taskFamily, taskId)
  local row, status, updated, expires, revision, attempt, token, lease =
    find(task, now, 'request', 'inputs', 'checkpoint', 'history')
  -- A different time or name belongs to a newer task that reuses an expired task's id.
  local _, _, _, _, name = fixedParts(row)
  if row and tonumber(lease) == lapsed and member(claimsFamily, name) == source then
    if entry ~= '' then ARGV[firstField], ARGV[firstField + 1] = 'history', appended(row[8], time, entry) end
-- include "apply"
    row[8] = taskId
    claimed[#claimed + 1] = row
  else
    redis.call('ZREM', source, taskId)
    lost = lost + 1
    if lost == 500 then return { time, claimed, 1 } end
  end
end
return { time, claimed, 0 }
