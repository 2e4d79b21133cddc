-- Says how deliveries ended. Events that have another token stay as they are.
-- KEYS[1] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] the notifier's name
-- ARGV[2..] of each event its number, its token, what becomes of it (delete, setAside, giveBack, or
-- milliseconds until it may be taken again), and the error, or ''
-- Returns nothing
-- include "event"
local events, notifier = KEYS[1], ARGV[1]

local queue = queueOf(events, notifier)
if not queue then return end
local now, time = clock()

-- The event waits no longer, and the next one of its task comes up.
local function leave(seq, fixed)
  local turn = queue .. ':turn:' .. taskOf(fixed)
  redis.call('ZREM', queue .. ':due', seq)
  redis.call('LREM', turn, 1, seq)
  local nextSeq = redis.call('LINDEX', turn, 0)
  if nextSeq then redis.call('ZADD', queue .. ':due', 'NX', time, nextSeq) end
end

for i = 2, #ARGV, 4 do
  local seq, tokenWanted, what, newError = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local body = redis.call('HGET', queue .. ':body', seq)
  local attempt, token, _, err, fixed
  if body then attempt, token, _, err, fixed = unpacked(body) end
  -- An event that is set aside has another token than each of its leases.
  if token == tokenWanted then
    if newError ~= '' then err = newError end
    token = text(token + 1)
    if what == 'delete' then
      redis.call('HDEL', queue .. ':body', seq)
      redis.call('ZREM', queue .. ':kept', seq)
      leave(seq, fixed)
    elseif what == 'setAside' then
      redis.call('HSET', queue .. ':body', seq, packed(attempt, token, 1, err, fixed))
      redis.call('ZADD', queue .. ':aside', seq, seq)
      leave(seq, fixed)
    elseif what == 'giveBack' then
      redis.call('HSET', queue .. ':body', seq, packed(text(attempt - 1), token, 0, err, fixed))
      redis.call('ZADD', queue .. ':due', time, seq)
    else
      redis.call('HSET', queue .. ':body', seq, packed(attempt, token, 0, err, fixed))
      redis.call('ZADD', queue .. ':due', text(now + what), seq)
    end
  end
end
