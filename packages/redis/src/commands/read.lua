-- Reads a task and payloads of it, unless it is another owner's. It takes no time to tell the time: the key expires by itself.
-- KEYS[1] task: the task's hash
-- ARGV[1] kind of scope, ARGV[2] its owner
-- ARGV[3..] payload fields
-- Returns the task and the payloads; or nothing
-- include "scope"
-- include "task"
local task = KEYS[1]
local kind, wanted = ARGV[1], ARGV[2]

local row = find(task, 0)
if not row or not isInScope(kind, wanted, row[OWNER]) then return false end
return { row, redis.call('HMGET', task, unpack(ARGV, 3)) }
