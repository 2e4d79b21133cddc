-- Reads the steps of tasks.
-- KEYS[1] task:*: the hashes of the tasks
-- ARGV[1..] task ids
-- Returns the task's id, the name and the body of each step
-- include "clock"
-- include "keys"
-- include "task"
-- include "step"
local taskFamily = KEYS[1]

local now = clock()
local found = {}
for _, taskId in ipairs(ARGV) do
  local task = member(taskFamily, taskId)
  if find(task, now) then
    for _, field in ipairs(redis.call('HKEYS', task)) do
      if isStep(field) then found[#found + 1] = { taskId, string.sub(field, 6), redis.call('HGET', task, field) } end
    end
  end
end
return found
