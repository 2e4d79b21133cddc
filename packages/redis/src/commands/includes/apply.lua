-- Stores a changed task in its hash and in the indexes. It applies the effects of a terminal status
-- and of the action on the lease, by the rules of `applyPatch` in core. The key expires with the
-- task. It reads and sets the script's locals:
--   task, active, activeOfFamily, claimsFamily, queueFamily, expiring   the keys
--   taskId, now, row, status, ..., lease   the result of `find`, with the script's own changes
--   action, leaseMs   the action on the lease: take, renew, release or ''
--   firstField   index in ARGV of the other fields to set: name, value, name, value, ...
-- A write to a task that has ended changes its history only.
local ends = lease ~= '' and (status == 'completed' or status == 'failed' or status == 'cancelled')
local created, ttl, name, nextExpiry
local before = lease
if ends or action ~= '' then
  local _
  created, ttl, _, _, name = fixedParts(row)
  if ends then
    lease = ''
    if ttl ~= '' then nextExpiry = text(now + ttl) end
  else
    local leaseExpires = math.ceil(now + leaseMs)
    lease = text(leaseExpires)
    -- A task that is given back for a time is kept for 5 minutes more.
    local kept = action == 'release' and tonumber(leaseMs) > 0 and 300000 or 0
    if ttl ~= '' then nextExpiry = text(math.max(created + ttl, leaseExpires + kept)) end
  end
  if action == 'take' then attempt = text(attempt + 1) end
  if action == 'release' then attempt = text(attempt - 1) end
  -- Odd from a take to a release. A take's comes from the time, too: see `applyPatch`.
  if action == 'take' then
    token = text((math.ceil(token / 2097152) + 1) * 2097152 + 1 + 2 * (now % 1048576))
  end
  if action == 'release' then token = text(token + 2 - token % 2) end
  if nextExpiry then expires = nextExpiry end
end
row[STATE] = status .. ' ' .. updated .. ' ' .. expires .. ' ' .. revision .. ' ' .. attempt .. ' ' .. token .. ' ' .. lease
redis.call('HSET', task, 'state', row[STATE], unpack(ARGV, firstField))

if ends then
  redis.call('ZREM', member(claimsFamily, name), taskId)
  -- Tasks are in both sets, or in none while no cap is set.
  if redis.call('ZREM', active, taskId) == 1 then redis.call('ZREM', member(activeOfFamily, row[OWNER]), taskId) end
elseif action ~= '' then
  redis.call('ZADD', member(claimsFamily, name), lease, taskId)
  -- A claim with limits puts an entry with an earlier time right when it meets it.
  if tonumber(lease) < tonumber(before) then
    redis.call('ZADD', memberOf(queueFamily, name, ownerKey(row[OWNER])), 'XX', lease, taskId)
  end
  if nextExpiry then
    redis.call('ZADD', active, 'XX', expires, taskId)
    redis.call('ZADD', member(activeOfFamily, row[OWNER]), 'XX', expires, taskId)
  end
end
if nextExpiry then
  redis.call('ZADD', expiring, expires, expiryEntry(taskId, name, row[OWNER]))
  -- Last, since an expiry in the past deletes the hash.
  redis.call('PEXPIREAT', task, expires)
end
