-- Events that a notifier keeps, by number.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] the notifier's name
-- ARGV[2] 1 for those that are set aside only
-- ARGV[3] only larger numbers
-- ARGV[4] most events
-- Returns the number of each event and the event
-- include "event"
local events, notifier, aside, after, most = KEYS[1], ARGV[1], ARGV[2] == '1', ARGV[3], ARGV[4]

local queue = queueOf(events, notifier)
if not queue then return {} end
local found = {}
for _, seq in ipairs(redis.call('ZRANGEBYSCORE', queue .. (aside and ':aside' or ':kept'), '(' .. after, '+inf', 'LIMIT', 0, most)) do
  found[#found + 1] = seq
  found[#found + 1] = redis.call('HGET', queue .. ':body', seq)
end
return found
