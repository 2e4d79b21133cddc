-- The published message of a change: the task's id, a 1 and its owner or a 0 for none, its state
-- and its fixed parts. None of them has a NUL.
local function signal(taskId, owner, state, fixed)
  return taskId .. (owner and '\0001' .. owner or '\0000') .. '\0' .. state .. '\0' .. fixed
end
