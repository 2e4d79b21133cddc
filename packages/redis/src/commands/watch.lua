-- Adds the tasks made before the first search for active or failed tasks to the set of those.
-- KEYS[1] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[2] tasks: every task, by position
-- KEYS[3] task:*: the hashes of the tasks found
-- ARGV[1] most tasks to read
-- Returns 1 if all are in the set
-- include "clock"
-- include "keys"
-- include "task"
-- include "fill"
local watched, tasks, taskFamily = KEYS[1], KEYS[2], KEYS[3]
local most = tonumber(ARGV[1])

-- The score of the mark is 0 once all tasks are in the set, and until then minus the position up to
-- which they are. So a set that was lost is filled again, and one without tasks is not.
local filled = redis.call('ZSCORE', watched, MARK)
if filled == '0' then return 1 end
local after = fill(tasks, taskFamily, filled and string.sub(filled, 2) or '0', most, function(taskId, task, _, status, _, lease, position)
  -- Only a terminal task has no lease expiry.
  if lease == '' and status ~= 'failed' then return end
  redis.call('ZADD', watched, position, taskId)
  redis.call('HSET', task, 'watched', '1')
end)
redis.call('ZADD', watched, after == 'all' and '0' or '-' .. after, MARK)
return after == 'all' and 1 or 0
