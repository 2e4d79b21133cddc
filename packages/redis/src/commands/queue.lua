-- Adds the tasks made before the first claim with limits to the queues of owners.
-- KEYS[1] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[2] tasks: every task, by position
-- KEYS[3] task:*: the hashes of the tasks found
-- KEYS[4] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[5] owners:*: the owners that have a queue of the name, in order
-- ARGV[1] most tasks to read
-- Returns 1 if all are in their queues
-- include "clock"
-- include "keys"
-- include "task"
-- include "fill"
-- include "queue"
local queued, tasks, taskFamily, queueFamily, ownersFamily = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local most = tonumber(ARGV[1])

local after = redis.call('GET', queued) or '0'
if after == 'all' then return 1 end
after = fill(tasks, taskFamily, after, most, function(taskId, _, row, _, _, lease)
  -- Only a terminal task has no lease expiry.
  if lease == '' then return end
  local _, _, _, _, name = fixedParts(row)
  local key = ownerKey(row[OWNER])
  redis.call('ZADD', memberOf(queueFamily, name, key), lease, taskId)
  redis.call('ZADD', member(ownersFamily, name), 0, key)
end)
redis.call('SET', queued, after)
return after == 'all' and 1 or 0
