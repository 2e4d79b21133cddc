-- Checks the guard and applies the patch.
-- KEYS[1] task: the task's hash
-- KEYS[2] active: every active task, by expiry, once a cap is set
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[4] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[5] claims:*: the active tasks of a name, by lease expiry
-- KEYS[6] expiring: every task with a ttl, by expiry
-- KEYS[7] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[8] changes: the channel
-- KEYS[9] events:*: the notifiers; the family has their events (includes/event.lua)
-- KEYS[10] tasks: every task, by position
-- KEYS[11] task:*: the hashes of tasks
-- ARGV[1] task id
-- ARGV[2] kind of scope, ARGV[3] its owner
-- ARGV[4] revision, or ''
-- ARGV[5] lease token, or ''
-- ARGV[6] 1 if the lease must be free
-- ARGV[7] 1 if the task must have ended, and not be active
-- ARGV[8] action on the lease, or ''
-- ARGV[9] milliseconds until the lease lapses
-- ARGV[10] status, or ''
-- ARGV[11..] fields to set: name, value, name, value, ... A line to append to the history is first
-- Returns the task's present fields, 1 or 0 for applied or not, and the time. Nothing for an
-- unknown or foreign task
-- include "clock"
-- include "keys"
-- include "scope"
-- include "task"
-- include "signal"
-- include "history"
-- include "step"
-- include "queue"
-- include "event"
local task, active, activeOfFamily, watched = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local claimsFamily, expiring, queueFamily, changes = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local events, tasks, taskFamily = KEYS[9], KEYS[10], KEYS[11]
local taskId, kind, wanted, revisionWanted, tokenWanted = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local leaseFree, mustHaveEnded = ARGV[6] == '1', ARGV[7] == '1'
local action, leaseMs, newStatus, firstField = ARGV[8], ARGV[9], ARGV[10], 11
local tells = ARGV[firstField] == 'history'

local now, time = clock()
if kind ~= 'any' and not isVisible(task, tasks, taskFamily, kind, wanted) then return false end
-- A second `watched` instead of a history that nothing needs.
local row, status, updated, expires, revision, attempt, token, lease =
  find(task, now, 'watched', tells and 'history' or 'watched')
if not row then return false end
local isWatched, history = row[5], row[6]
row[5], row[6] = 0, time
-- Only a terminal task has no lease expiry.
if (lease == '') ~= mustHaveEnded
  or (revisionWanted ~= '' and revisionWanted ~= revision)
  or (tokenWanted ~= '' and tokenWanted ~= token)
  or (leaseFree and token ~= '0' and tonumber(lease) > now)
then return row end

local visible = newStatus ~= ''
if visible then status = newStatus end
for i = firstField, #ARGV, 2 do
  if ARGV[i] == 'statusMessage' then row[MESSAGE] = ARGV[i + 1] end
  local field = ARGV[i]
  if field ~= 'checkpoint' and field ~= 'history' and not isStep(field) then visible = true end
end
if tells then ARGV[firstField + 1] = appended(history, time, ARGV[firstField + 1]) end
if visible then updated, revision = time, text(revision + 1) end
-- include "apply"
if ends and isWatched and status ~= 'failed' then redis.call('ZREM', watched, taskId) end
if visible then
  redis.call('SPUBLISH', changes, signal(taskId, row[OWNER], row[STATE], row[TASK]))
  if redis.call('EXISTS', events) == 1 then
    local _, _, _, _, its = fixedParts(row)
    addEvents(events, kindOf(status), time, taskId, row[OWNER], its, status, row[MESSAGE], updated, revision)
  end
end
row[5] = 1
return row
