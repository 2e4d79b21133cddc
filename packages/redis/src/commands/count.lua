-- Adds the tasks made while no store had a cap to the sets of active tasks.
-- KEYS[1] counted: the position up to which tasks were added, or `all`; no key until a cap is set
-- KEYS[2] tasks: every task, by position
-- KEYS[3] task:*: the hashes of the tasks found
-- KEYS[4] active: every active task, by expiry, once a cap is set
-- KEYS[5] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- ARGV[1] most tasks to read
-- Returns 1 if all are counted
-- include "clock"
-- include "keys"
-- include "task"
-- include "fill"
local counted, tasks, taskFamily, active, activeOfFamily = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local most = tonumber(ARGV[1])

local after = redis.call('GET', counted) or '0'
if after == 'all' then return 1 end
after = fill(tasks, taskFamily, after, most, function(taskId, _, row, _, expires, lease)
  -- Only a terminal task has no lease expiry.
  if lease == '' then return end
  local score = expires ~= '' and expires or '+inf'
  redis.call('ZADD', active, score, taskId)
  redis.call('ZADD', member(activeOfFamily, row[OWNER]), score, taskId)
end)
redis.call('SET', counted, after)
return after == 'all' and 1 or 0
