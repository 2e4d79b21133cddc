-- Lets events be taken that were set aside. Each waits behind those of its task that wait already.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] the notifier's name
-- ARGV[2..] the numbers of the events
-- Returns how many there were
-- include "event"
local events, notifier = KEYS[1], ARGV[1]

local queue = queueOf(events, notifier)
if not queue then return 0 end
local _, time = clock()
local redelivered = 0
for i = 2, #ARGV do
  if redis.call('ZREM', queue .. ':aside', ARGV[i]) == 1 then
    local _, token, _, err, fixed = unpacked(redis.call('HGET', queue .. ':body', ARGV[i]))
    redis.call('HSET', queue .. ':body', ARGV[i], packed(0, token, 0, err, fixed))
    await(queue, ARGV[i], taskOf(fixed), time)
    redelivered = redelivered + 1
  end
end
return redelivered
