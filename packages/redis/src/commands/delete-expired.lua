-- Deletes expired tasks with all their index entries, and expired queues of messages. Redis has
-- expired most of the hashes and queues themselves by then.
-- KEYS[1] expiring: every task with a ttl, by expiry
-- KEYS[2] task:*: the hashes of the tasks found
-- KEYS[3] tasks: every task, by position
-- KEYS[4] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[5] active: every active task, by expiry, once a cap is set
-- KEYS[6] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[7] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[8] claims:*: the active tasks of a name, by lease expiry
-- KEYS[9] queues: the ids that have messages, by the expiry of their last one
-- KEYS[10] messages:*: the messages of the ids found
-- KEYS[11] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[12] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[13] owners:*: the owners that have a queue of the name, in order
-- ARGV[1] most tasks and most queues to delete
-- Returns the numbers of deleted tasks and queues, and 1 if more may be left
-- include "clock"
-- include "keys"
-- include "task"
-- include "queue"
local expiring, taskFamily, tasks, ownerFamily, active = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local activeOfFamily, watched, claimsFamily, queues, messagesFamily = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local queued, queueFamily, ownersFamily = KEYS[11], KEYS[12], KEYS[13]
local limit = tonumber(ARGV[1])

local now, due = clock()
local deleted = {}
local hasQueues = redis.call('EXISTS', queued) == 1
local entries = redis.call('ZRANGEBYSCORE', expiring, '-inf', due, 'LIMIT', 0, limit)
for _, entry in ipairs(entries) do
  local first = string.find(entry, '\0', 1, true)
  local second = string.find(entry, '\0', first + 1, true)
  local taskId = string.sub(entry, 1, first - 1)
  local name = string.sub(entry, first + 1, second and second - 1)
  local owner = second ~= nil and string.sub(entry, second + 1)

  local task = member(taskFamily, taskId)
  local newer = find(task, now)
  local _, _, _, _, nameOfNewer = fixedParts(newer)
  redis.call('ZREM', expiring, entry)
  -- A newer task with the same id has its own entries, possibly under another owner or name.
  if not newer then
    redis.call('UNLINK', task)
    deleted[#deleted + 1] = taskId
  end
  if not newer or newer[OWNER] ~= owner then
    redis.call('ZREM', member(ownerFamily, owner), taskId)
    redis.call('ZREM', member(activeOfFamily, owner), taskId)
  end
  if nameOfNewer ~= name then redis.call('ZREM', member(claimsFamily, name), taskId) end
  if hasQueues and (nameOfNewer ~= name or newer[OWNER] ~= owner) then
    unqueue(queueFamily, ownersFamily, taskId, name, owner)
  end
end

if #deleted > 0 then
  for _, set in ipairs({ tasks, active, watched }) do redis.call('ZREM', set, unpack(deleted)) end
end

local expired = redis.call('ZRANGEBYSCORE', queues, '-inf', due, 'LIMIT', 0, limit)
for _, taskId in ipairs(expired) do
  redis.call('UNLINK', member(messagesFamily, taskId))
  redis.call('ZREM', queues, taskId)
end
return { #deleted, #expired, (#entries == limit or #expired == limit) and 1 or 0 }
