-- Adds a task, unless its id exists or a cap is reached.
-- KEYS[1] task: the task's hash
-- KEYS[2] position: the position of the newest task
-- KEYS[3] tasks: every task, by position
-- KEYS[4] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[5] counted: `all` once every active task is in the next two; no key until a cap is set
-- KEYS[6] active: every active task, by expiry, once a cap is set
-- KEYS[7] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[8] claims:*: the active tasks of a name, by lease expiry
-- KEYS[9] expiring: every task with a ttl, by expiry
-- KEYS[10] changes: the channel
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
local task, position, tasks, ownerFamily, counted = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local active, activeOfFamily, claimsFamily, expiring, changes = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local taskId, owner, name = ARGV[1], ARGV[2] == '1' and ARGV[3], ARGV[4]
local ttl, poll, request, claimAfterMs = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local cap, capOfOwner = tonumber(ARGV[9]), tonumber(ARGV[10])

local now, created = clock()
-- One command checks both keys, as most creations find neither.
local there = redis.call('EXISTS', task, counted)
local exists = there == 2 or (there == 1 and redis.call('EXISTS', task) == 1)
local counts = there == 2 or (there == 1 and not exists)
if exists then
  if find(task, now) then return 'duplicate' end
  redis.call('UNLINK', task)
end

local activeOf = member(activeOfFamily, owner)
if (cap or capOfOwner) and not (counts and redis.call('GET', counted) == 'all') then return 'uncounted' end
if cap and redis.call('ZCOUNT', active, '(' .. created, '+inf') >= cap then return 'activeTasks' end
if capOfOwner and redis.call('ZCOUNT', activeOf, '(' .. created, '+inf') >= capOfOwner then
  return 'activeTasksPerOwner'
end

local place, lease = text(redis.call('INCR', position)), text(math.ceil(now + claimAfterMs))
local expires = ttl ~= '' and text(now + ttl) or ''
local fixed = table.concat({ created, ttl, poll, place, name }, ' ')
local state = table.concat({ 'working', created, expires, '1', '0', '0', lease }, ' ')
if owner then redis.call('HSET', task, 'task', fixed, 'state', state, 'request', request, 'owner', owner)
else redis.call('HSET', task, 'task', fixed, 'state', state, 'request', request) end
redis.call('ZADD', tasks, place, taskId)
redis.call('ZADD', member(ownerFamily, owner), place, taskId)
if counts then
  redis.call('ZADD', active, expires ~= '' and expires or '+inf', taskId)
  redis.call('ZADD', activeOf, expires ~= '' and expires or '+inf', taskId)
end
redis.call('ZADD', member(claimsFamily, name), lease, taskId)
if expires ~= '' then
  redis.call('ZADD', expiring, expires, expiryEntry(taskId, name, owner))
  redis.call('PEXPIREAT', task, expires)
end
redis.call('SPUBLISH', changes, signal(taskId, owner, state, fixed))
return { created, lease, place }
