-- One key of a family: the family's own name is the key for null.
local function member(family, name)
  return name and family .. ':' .. name or family
end

-- What `expiring` holds of a task: all that is needed to delete it from every index once its hash has gone by itself.
local function expiryEntry(taskId, name, owner)
  return taskId .. '\0' .. name .. (owner and '\0' .. owner or '')
end
