-- Adds a message at the end of a queue, unless the queue is full.
-- KEYS[1] messages: the queue
-- KEYS[2] queues: the ids that have messages, by the expiry of their last one
-- ARGV[1] task id
-- ARGV[2] message
-- ARGV[3] most messages, or ''
-- ARGV[4] milliseconds to keep the message
-- Returns nothing, or the size of a full queue
-- include "messages"
local messages, queues = KEYS[1], KEYS[2]
local taskId, message, maxSize, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local now = clock()
local first = redis.call('LINDEX', messages, 0)
while first and expiryOf(first) <= now do
  redis.call('LPOP', messages)
  first = redis.call('LINDEX', messages, 0)
end
local size = redis.call('LLEN', messages)
if maxSize and size >= maxSize then
  -- Expired ones may be behind one that remains, as stores may have different ttls.
  for _, element in ipairs(redis.call('LRANGE', messages, 0, -1)) do
    if expiryOf(element) <= now then size = size - redis.call('LREM', messages, 1, element) end
  end
  if size >= maxSize then return size end
end

local expires = text(math.ceil(now + ttl))
redis.call('RPUSH', messages, elementOf(expires, message))
-- The queue lives as long as its last message, which need not be the newest: stores may have
-- different ttls.
redis.call('ZADD', queues, 'GT', expires, taskId)
redis.call('PEXPIREAT', messages, redis.call('ZSCORE', queues, taskId))
return false
