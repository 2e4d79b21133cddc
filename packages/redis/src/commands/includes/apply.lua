-- include "clock"
-- include "keys"
-- include "task"

local function isTerminal(status)
  return status == 'completed' or status == 'failed' or status == 'cancelled'
end

-- Applies a patch to the task in `row`, and stores what changed, in its hash and in the indexes; its key expires when the task
-- does. The rules are those of `applyPatch` in core. Returns whether a reader can see the change.
--   patch     status, statusMessage and payloads to set: name, value, name, value, ...
--   action    of the lease: take, renew, release or ''
local function applyPatch(keys, taskId, row, now, patch, action, durationMs)
  local count, visible = #patch, false
  for i = 1, count, 2 do
    local name = patch[i]
    if name == 'status' then row[STATUS] = patch[i + 1]
    elseif name == 'statusMessage' then row[MESSAGE] = patch[i + 1] end
    if name ~= 'checkpoint' then visible = true end
  end
  if visible then
    row[UPDATED], row[REVISION] = text(now), text(row[REVISION] + 1)
    patch[count + 1], patch[count + 2] = 'updatedAt', row[UPDATED]
    patch[count + 3], patch[count + 4] = 'revision', row[REVISION]
    count = count + 4
  end

  local terminal = isTerminal(row[STATUS])
  if terminal or action ~= '' then
    local ttl, expires = row[TTL], nil
    if terminal then
      row[LEASE] = ''
      if ttl then expires = now + ttl end
    else
      local leaseExpires = math.ceil(now + durationMs)
      row[LEASE] = text(leaseExpires)
      if ttl then expires = math.max(row[CREATED] + ttl, leaseExpires) end
    end
    if action == 'take' then row[ATTEMPT] = text(row[ATTEMPT] + 1) end
    if action == 'release' then row[ATTEMPT] = text(row[ATTEMPT] - 1) end
    if action == 'take' or action == 'release' then row[TOKEN] = text(row[TOKEN] + 1) end
    patch[count + 1], patch[count + 2] = 'leaseExpiresAt', row[LEASE]
    patch[count + 3], patch[count + 4] = 'attempt', row[ATTEMPT]
    patch[count + 5], patch[count + 6] = 'leaseToken', row[TOKEN]
    count = count + 6
    if expires then
      row[EXPIRES] = text(expires)
      patch[count + 1], patch[count + 2] = 'expiresAt', row[EXPIRES]
    end
    redis.call('HSET', keys.task, unpack(patch))
    if expires then
      -- Last, since a time that has passed deletes the hash.
      redis.call('PEXPIREAT', keys.task, row[EXPIRES])
      redis.call('ZADD', keys.expiring, row[EXPIRES], expiryEntry(taskId, row[NAME], row[OWNER]))
    end

    local claims, activeOf = member(keys.claims, row[NAME]), member(keys.activeOf, row[OWNER])
    if terminal then
      redis.call('ZREM', claims, taskId)
      redis.call('ZREM', keys.active, taskId)
      redis.call('ZREM', activeOf, taskId)
    else
      redis.call('ZADD', claims, row[LEASE], taskId)
      if expires then
        redis.call('ZADD', keys.active, row[EXPIRES], taskId)
        redis.call('ZADD', activeOf, row[EXPIRES], taskId)
      end
    end
  elseif count > 0 then
    redis.call('HSET', keys.task, unpack(patch))
  end
  return visible
end
