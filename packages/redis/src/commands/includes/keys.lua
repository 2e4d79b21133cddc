-- A member that is no task's id, as ids have no NUL. It is the first of its set. In a set of claims
-- it says that the name is paused, and in `watched` how far that set was filled.
local MARK = '\0'

-- One key of a family: the family's own name is the key for null.
local function member(family, name)
  return name and family .. ':' .. name or family
end

-- The entry of a task in `expiring`. It suffices to delete the task from every index after its hash
-- has expired.
local function expiryEntry(taskId, name, owner)
  return taskId .. '\0' .. name .. (owner and '\0' .. owner or '')
end
