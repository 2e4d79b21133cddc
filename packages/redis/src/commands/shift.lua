-- Takes messages from the front of a queue.
-- KEYS[1] messages: the queue
-- KEYS[2] queues: the ids that have messages, by the expiry of their last one
-- ARGV[1] task id
-- ARGV[2] most messages, or '' for all
-- Returns the messages
-- include "messages"
local messages, queues = KEYS[1], KEYS[2]
local taskId, limit = ARGV[1], tonumber(ARGV[2])

local now = clock()
local taken = {}
while not limit or #taken < limit do
  local element = redis.call('LPOP', messages)
  if not element then break end
  if expiryOf(element) > now then taken[#taken + 1] = messageOf(element) end
end
if #taken > 0 and redis.call('EXISTS', messages) == 0 then redis.call('ZREM', queues, taskId) end
return taken
