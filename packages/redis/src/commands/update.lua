-- Checks the guard and applies the patch.
-- KEYS[1] task: the task's hash
-- KEYS[2] active: every active task, by expiry, once a cap is set
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- KEYS[6] changes: the channel
-- ARGV[1] task id
-- ARGV[2] kind of scope, ARGV[3] its owner
-- ARGV[4] revision, or ''
-- ARGV[5] lease token, or ''
-- ARGV[6] 1 if the lease must be free
-- ARGV[7] action on the lease, or ''
-- ARGV[8] milliseconds until the lease lapses
-- ARGV[9] status, or ''
-- ARGV[10..] fields to set: name, value, name, value, ...
-- Returns the task's present fields, 1 or 0 for applied or not, and the time. Nothing for an
-- unknown or foreign task
-- include "clock"
-- include "keys"
-- include "scope"
-- include "task"
-- include "signal"
local task, active, activeOfFamily, claimsFamily, expiring, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local taskId, kind, wanted, revisionWanted, tokenWanted = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local leaseFree, action, leaseMs, newStatus, firstField = ARGV[6] == '1', ARGV[7], ARGV[8], ARGV[9], 10

local now, time = clock()
if kind ~= 'any' and not isVisible(task, kind, wanted) then return false end
local row, status, updated, expires, revision, attempt, token, lease = find(task, now)
if not row then return false end
row[5], row[6] = 0, time
-- Only a terminal task has no lease expiry.
if lease == ''
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
if visible then redis.call('SPUBLISH', changes, signal(taskId, row[OWNER], row[STATE], row[TASK])) end
row[5] = 1
return row
