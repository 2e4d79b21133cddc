-- Reads a task and payloads of it, unless it is another owner's. It takes no time to tell the time: the key expires by itself.
-- KEYS[1] task: the task's hash
-- ARGV[1] kind of scope, ARGV[2] its owner
-- ARGV[3..] payload fields
-- Returns the task's fields and the payloads; or nothing
-- include "scope"
local task = KEYS[1]
local kind, wanted = ARGV[1], ARGV[2]

local owner = redis.call('HMGET', task, 'state', 'owner')
if not owner[1] or not isInScope(kind, wanted, owner[2]) then return false end
return redis.call('HMGET', task, 'task', 'state', 'statusMessage', 'owner', unpack(ARGV, 3))
