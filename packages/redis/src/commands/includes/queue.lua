-- The owner as a text that is never nil.
local function ownerKey(owner)
  return owner and '=' .. owner or '-'
end

-- The key of a family that belongs to a name and an owner.
local function memberOf(family, name, key)
  return member(family, name .. '\0' .. key)
end

-- Removes a task from the queue of its name and owner, and the owner with its last task.
local function unqueue(queueFamily, ownersFamily, taskId, name, owner)
  local key = ownerKey(owner)
  local queue = memberOf(queueFamily, name, key)
  if redis.call('ZREM', queue, taskId) == 1 and redis.call('EXISTS', queue) == 0 then
    redis.call('ZREM', member(ownersFamily, name), key)
  end
end
