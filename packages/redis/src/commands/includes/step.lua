-- The field of a task's hash that holds a step is `step:` and the name of the step.
local function isStep(field)
  return string.sub(field, 1, 5) == 'step:'
end
