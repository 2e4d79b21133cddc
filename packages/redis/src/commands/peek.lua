-- Reads the messages of queues, which stay.
-- KEYS[1] messages:*: the queues
-- ARGV[1..] task ids
-- Returns the task's id, the expiry and the text of each message
-- include "keys"
-- include "messages"
local messagesFamily = KEYS[1]

local now = clock()
local found = {}
for _, taskId in ipairs(ARGV) do
  for _, element in ipairs(redis.call('LRANGE', member(messagesFamily, taskId), 0, -1)) do
    local expires = expiryOf(element)
    if expires > now then found[#found + 1] = { taskId, text(expires), messageOf(element) } end
  end
end
return found
