-- Adds a task, unless its id exists or a cap is reached.
-- KEYS[1] task: the task's hash
-- KEYS[2] position: the position of the newest task
-- KEYS[3] tasks: every task, by position
-- KEYS[4] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[5] counted: `all` once every active task is in the next two; no key until a cap is set
-- KEYS[6] active: every active task, by expiry, once a cap is set
-- KEYS[7] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[8] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[9] claims:*: the active tasks of a name, by lease expiry
-- KEYS[10] expiring: every task with a ttl, by expiry
-- KEYS[11] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[12] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[13] owners:*: the owners that have a queue of the name, in order
-- KEYS[14] changes: the channel
-- KEYS[15] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1] task id
-- ARGV[2] 1 with an owner, ARGV[3] owner
-- ARGV[4] name
-- ARGV[5] ttl, or ''
-- ARGV[6] poll interval, or ''
-- ARGV[7] request
-- ARGV[8] milliseconds until the task may be claimed
-- ARGV[9] most active tasks, or ''
-- ARGV[10] most active tasks of the owner, or ''
-- Returns the time, the expiry of the first lease, and the position. Otherwise the obstacle:
-- 'uncounted' if there is a cap and the caller must count the active tasks first
-- include "clock"
-- include "keys"
-- include "task"
-- include "signal"
-- include "queue"
-- include "event"
local task, position, tasks, ownerFamily, counted = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local active, activeOfFamily, watched = KEYS[6], KEYS[7], KEYS[8]
local claimsFamily, expiring, queued, queueFamily = KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local ownersFamily, changes, events = KEYS[13], KEYS[14], KEYS[15]
local taskId, owner, name = ARGV[1], ARGV[2] == '1' and ARGV[3], ARGV[4]
local ttl, poll, request, claimAfterMs = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local cap, capOfOwner = tonumber(ARGV[9]), tonumber(ARGV[10])

local now, created = clock()
-- One command checks all five keys, as most creations find none of them.
local there = redis.call('EXISTS', task, counted, watched, queued, events)
if there > 0 and redis.call('EXISTS', task) == 1 then
  if find(task, now) then return 'duplicate' end
  redis.call('UNLINK', task)
  there = there - 1
end
local counts = there > 0 and redis.call('GET', counted)
if counts then there = there - 1 end
local queues = there > 0 and redis.call('EXISTS', queued) == 1
if queues then there = there - 1 end
local notifies = there > 0 and redis.call('EXISTS', events) == 1
local watches = there > (notifies and 1 or 0)

if (cap or capOfOwner) and counts ~= 'all' then return 'uncounted' end
if cap and redis.call('ZCOUNT', active, '(' .. created, '+inf') >= cap then return 'activeTasks' end
if capOfOwner and redis.call('ZCOUNT', member(activeOfFamily, owner), '(' .. created, '+inf') >= capOfOwner then
  return 'activeTasksPerOwner'
end

local place, lease = text(redis.call('INCR', position)), text(math.ceil(now + claimAfterMs))
local expires = ttl ~= '' and text(now + ttl) or ''
local status, fixed = 'working', table.concat({ created, ttl, poll, place, name }, ' ')
local state = table.concat({ status, created, expires, '1', '0', '0', lease }, ' ')
if owner then redis.call('HSET', task, 'task', fixed, 'state', state, 'request', request, 'owner', owner)
else redis.call('HSET', task, 'task', fixed, 'state', state, 'request', request) end
-- include "index"
if notifies then addEvents(events, 'created', created, taskId, owner, name, status, false, created, 1) end
return { created, lease, place }
