-- Stores a task with what follows from a status that is terminal and from what is done to the lease, in its hash and in the indexes;
-- its key expires when the task does. The rules are those of `applyPatch` in core. It takes, and sets, the locals of a script:
--   task, active, activeOfFamily, claimsFamily, expiring   the keys
--   taskId, now, row, status, ..., lease   what `find` has found, changed already where it does not follow
--   action, durationMs   what to do with the lease: take, renew, release or ''
--   firstField   where in ARGV the fields to set besides begin: name, value, name, value, ...
local ends = status == 'completed' or status == 'failed' or status == 'cancelled'
local created, ttl, name, nextExpiry
if ends or action ~= '' then
  local _
  created, ttl, _, _, name = fixedParts(row)
  if ends then
    lease = ''
    if ttl ~= '' then nextExpiry = text(now + ttl) end
  else
    local leaseExpires = math.ceil(now + durationMs)
    lease = text(leaseExpires)
    if ttl ~= '' then nextExpiry = text(math.max(created + ttl, leaseExpires)) end
  end
  if action == 'take' then attempt = text(attempt + 1) end
  if action == 'release' then attempt = text(attempt - 1) end
  if action == 'take' or action == 'release' then token = text(token + 1) end
  if nextExpiry then expires = nextExpiry end
end
row[STATE] = status .. ' ' .. updated .. ' ' .. expires .. ' ' .. revision .. ' ' .. attempt .. ' ' .. token .. ' ' .. lease
redis.call('HSET', task, 'state', row[STATE], unpack(ARGV, firstField))

if ends then
  redis.call('ZREM', member(claimsFamily, name), taskId)
  redis.call('ZREM', active, taskId)
  redis.call('ZREM', member(activeOfFamily, row[OWNER]), taskId)
elseif action ~= '' then
  redis.call('ZADD', member(claimsFamily, name), lease, taskId)
  if nextExpiry then
    redis.call('ZADD', active, expires, taskId)
    redis.call('ZADD', member(activeOfFamily, row[OWNER]), expires, taskId)
  end
end
if nextExpiry then
  redis.call('ZADD', expiring, expires, expiryEntry(taskId, name, row[OWNER]))
  -- Last, since a time that has passed deletes the hash.
  redis.call('PEXPIREAT', task, expires)
end
