-- A call with this scope may see a task of this owner. Kind: `any`, `owner`, `ownerOrUnowned` or
-- `unowned`.
local function isInScope(kind, wanted, owner)
  if kind == 'any' then return true end
  if not owner then return kind ~= 'owner' end
  return kind ~= 'unowned' and owner == wanted
end

-- A task exists at this key, and a call with this scope may see it. Of a foreign task it reads only
-- the owner and state. If it finds no task, it looks at another one, so that a foreign id takes as
-- long as an unknown one.
local function isVisible(task, tasks, taskFamily, kind, wanted)
  local found = redis.call('HMGET', task, 'state', 'owner')
  if found[1] and isInScope(kind, wanted, found[2]) then return true end
  local other = member(taskFamily, redis.call('ZRANDMEMBER', tasks) or '')
  local missing = other .. MARK
  redis.call('HMGET', found[1] and missing or other, 'state', 'owner')
  return false
end
