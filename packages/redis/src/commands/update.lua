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
-- ARGV[9] status, or ''
-- ARGV[10..] fields to set: name, value, name, value, ...
-- Returns the task's fields as they are now, 1 or 0 for applied or not, and the time; or nothing
-- include "clock"
-- include "keys"
-- include "scope"
-- include "task"
local task, active, activeOfFamily, claimsFamily, expiring, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local taskId, kind, wanted, revisionWanted, tokenWanted = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local leaseFree, action, durationMs, newStatus, firstField = ARGV[6] == '1', ARGV[7], ARGV[8], ARGV[9], 10

local now, time = clock()
local row, status, updated, expires, revision, attempt, token, lease = find(task, now)
if not row then return false end
row[5], row[6] = 0, time
-- Only a task that is terminal has no end of a lease.
if lease == ''
  or not isInScope(kind, wanted, row[OWNER])
  or (revisionWanted ~= '' and revisionWanted ~= revision)
  or (tokenWanted ~= '' and tokenWanted ~= token)
  or (leaseFree and token ~= '0' and tonumber(lease) > now)
then return row end

local visible = newStatus ~= ''
if visible then status = newStatus end
for i = firstField, #ARGV, 2 do
  if ARGV[i] == 'statusMessage' then row[MESSAGE] = ARGV[i + 1] end
  if ARGV[i] ~= 'checkpoint' then visible = true end
end
if visible then updated, revision = time, text(revision + 1) end
-- include "apply"
if visible then redis.call('SPUBLISH', changes, taskId) end
row[5] = 1
return row
