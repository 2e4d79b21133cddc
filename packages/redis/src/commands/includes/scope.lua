-- A call with this scope may see a task of this owner. Kind: `any`, `owner`, `ownerOrUnowned` or
-- `unowned`.
local function isInScope(kind, wanted, owner)
  if kind == 'any' then return true end
  if not owner then return kind ~= 'owner' end
  return kind ~= 'unowned' and owner == wanted
end

-- A task exists at this key, and a call with this scope may see it. Of a foreign task it reads only
-- the owner and state.
local function isVisible(task, kind, wanted)
  local found = redis.call('HMGET', task, 'state', 'owner')
  return found[1] and isInScope(kind, wanted, found[2])
end
