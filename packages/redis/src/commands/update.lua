-- Checks the guard and applies the patch.
-- KEYS[1] task: the task's hash
-- KEYS[2] active: every active task, by expiry
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- KEYS[6] changes: the channel
-- ARGV[1] task id
-- ARGV[2] kind of scope, ARGV[3] its owner
-- ARGV[4] revision, or ''
-- ARGV[5] lease token, or ''
-- ARGV[6] 1 if the lease has to be free
-- ARGV[7] what to do with the lease, or ''
-- ARGV[8] milliseconds until the lease lapses
-- ARGV[9..] fields to set: name, value, name, value, ...
-- Returns 1 or 0 for applied or not, the time, and the task as it is now; or nothing
-- include "apply"
-- include "scope"
local keys = { task = KEYS[1], active = KEYS[2], activeOf = KEYS[3], claims = KEYS[4], expiring = KEYS[5] }
local changes = KEYS[6]
local taskId, kind, wanted, revision, token, leaseFree = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
local action, durationMs = ARGV[7], ARGV[8]

local now = clock()
local row = find(keys.task, now)
if not row then return false end

local holds = not isTerminal(row[STATUS])
  and isInScope(kind, wanted, row[OWNER])
  and (revision == '' or revision == row[REVISION])
  and (token == '' or token == row[TOKEN])
  and (not leaseFree or row[TOKEN] == '0' or tonumber(row[LEASE]) <= now)
if not holds then return { 0, text(now), row } end

local patch = {}
for i = 9, #ARGV do patch[i - 8] = ARGV[i] end
if applyPatch(keys, taskId, row, now, patch, action, durationMs) then redis.call('SPUBLISH', changes, taskId) end
return { 1, text(now), row }
