-- Deletes events of removed notifiers.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] most events to delete
-- Returns 1 if there may be more
-- include "event"
local events, most = KEYS[1], tonumber(ARGV[1])

local queue = redis.call('SRANDMEMBER', events .. ':gone')
if not queue then return 0 end
local seqs = redis.call('ZRANGE', queue .. ':kept', 0, most - 1)
for _, seq in ipairs(seqs) do
  local _, _, _, _, fixed = unpacked(redis.call('HGET', queue .. ':body', seq))
  redis.call('UNLINK', queue .. ':turn:' .. taskOf(fixed))
  redis.call('HDEL', queue .. ':body', seq)
  redis.call('ZREM', queue .. ':kept', seq)
end
if #seqs < most then
  redis.call('UNLINK', queue .. ':body', queue .. ':due', queue .. ':kept', queue .. ':aside')
  redis.call('SREM', events .. ':gone', queue)
end
return 1
