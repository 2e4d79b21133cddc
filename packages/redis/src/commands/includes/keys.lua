-- One key of a family: the family's own name is the key for null.
local function member(family, name)
  return name and family .. ':' .. name or family
end

-- The entry of a task in `expiring`. It suffices to delete the task from every index after its hash
-- has expired.
local function expiryEntry(taskId, name, owner)
  return taskId .. '\0' .. name .. (owner and '\0' .. owner or '')
end
