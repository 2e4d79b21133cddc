-- Registers a notifier or changes its kinds, ends a registration, or only lists.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] add, remove or list
-- ARGV[2] the notifier's name
-- ARGV[3] its kinds, with commas between them and around them
-- Returns whether the notifier was there, and for each notifier its name, its kinds, how many
-- events it keeps and how many of these are set aside, and the first one that waits
-- include "event"
local events = KEYS[1]
local act, name, kinds = ARGV[1], ARGV[2], ARGV[3]

local queue = queueOf(events, name)
if act == 'add' then
  local number = queue and string.sub(queue, #events + 2) or text(redis.call('INCR', events .. ':last'))
  redis.call('HSET', events, name, number .. kinds)
elseif act == 'remove' and queue then
  redis.call('HDEL', events, name)
  redis.call('SADD', events .. ':gone', queue)
end

local all = {}
local notifiers = redis.call('HGETALL', events)
for i = 1, #notifiers, 2 do
  local its, itsKinds = queueOf(events, notifiers[i])
  local aside, first = redis.call('ZCARD', its .. ':aside'), false
  -- Those that are set aside come first at most.
  local seqs = redis.call('ZRANGE', its .. ':kept', 0, aside)
  for _, seq in ipairs(seqs) do
    local body = redis.call('HGET', its .. ':body', seq)
    if not first and select(3, unpacked(body)) == '0' then first = body end
  end
  all[#all + 1] = { notifiers[i], itsKinds, redis.call('ZCARD', its .. ':kept'), aside, first }
end
return { queue and 1 or 0, all }
