-- Takes events that are due, of each task the first one that waits.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] the notifier's name
-- ARGV[2] most events
-- ARGV[3] milliseconds until they may be taken again
-- Returns the number of each event and the event, or nothing without such a notifier
-- include "event"
local events, notifier, most, leaseMs = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local queue = queueOf(events, notifier)
if not queue then return false end
local now, time = clock()
local taken = {}
for _, seq in ipairs(redis.call('ZRANGEBYSCORE', queue .. ':due', '-inf', time, 'LIMIT', 0, most)) do
  local attempt, token, aside, err, fixed = unpacked(redis.call('HGET', queue .. ':body', seq))
  local body = packed(text(attempt + 1), text(token + 1), aside, err, fixed)
  redis.call('HSET', queue .. ':body', seq, body)
  redis.call('ZADD', queue .. ':due', text(now + leaseMs), seq)
  taken[#taken + 1] = seq
  taken[#taken + 1] = body
end
return taken
