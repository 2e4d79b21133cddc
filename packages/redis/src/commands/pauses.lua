-- Adds names to the paused ones and takes names away. A mark in the set of its claims says that a
-- name is paused, so that a claim needs no command to see it.
-- KEYS[1] paused: the paused names
-- KEYS[2] claims:*: the active tasks of a name, by lease expiry
-- ARGV[1] how many names to pause
-- ARGV[2..] these names, then those to resume
-- Returns the paused names
-- include "keys"
local paused, claimsFamily = KEYS[1], KEYS[2]
local pauses = tonumber(ARGV[1])

for i, name in ipairs({ unpack(ARGV, 2) }) do
  local claims = member(claimsFamily, name)
  if i <= pauses then
    redis.call('SADD', paused, name)
    redis.call('ZADD', claims, '-inf', MARK)
  else
    redis.call('SREM', paused, name)
    redis.call('ZREM', claims, MARK)
  end
end
return redis.call('SMEMBERS', paused)
