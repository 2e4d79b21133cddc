-- Replaces texts that are still as they were read. It changes no time, no index and no expiry, and
-- sends no signal.
-- KEYS[1] task: the task's hash
-- KEYS[2] messages: its queue
-- ARGV[1..] field or `message`, the text as it was read, the new text, and so on
-- Returns for each text 1 if it was replaced, or 0
-- include "clock"
-- include "task"
-- include "messages"
local task, messages = KEYS[1], KEYS[2]

local now = clock()
local row = find(task, now)
local replaced = {}
for i = 1, #ARGV, 3 do
  local field, from, to = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local done = 0
  if field == 'message' then
    for at, element in ipairs(redis.call('LRANGE', messages, 0, -1)) do
      if messageOf(element) == from and expiryOf(element) > now then
        redis.call('LSET', messages, at - 1, elementOf(text(expiryOf(element)), to))
        done = 1
      end
    end
  elseif row and redis.call('HGET', task, field) == from then
    redis.call('HSET', task, field, to)
    done = 1
  end
  replaced[#replaced + 1] = done
end
return replaced
