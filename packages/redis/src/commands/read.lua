-- Reads a task with payloads, unless another owner has it. It compares no times, because the key
-- expires with the task.
-- KEYS[1] task: the task's hash
-- KEYS[2] tasks: every task, by position
-- KEYS[3] task:*: the hashes of tasks
-- ARGV[1] kind of scope, ARGV[2] its owner
-- ARGV[3..] payload fields
-- Returns the task's fields and payloads, or nothing
-- include "keys"
-- include "scope"
local task, tasks, taskFamily = KEYS[1], KEYS[2], KEYS[3]
local kind, wanted = ARGV[1], ARGV[2]

if kind ~= 'any' and not isVisible(task, tasks, taskFamily, kind, wanted) then return false end
return redis.call('HMGET', task, 'task', 'state', 'statusMessage', 'owner', unpack(ARGV, 3))
