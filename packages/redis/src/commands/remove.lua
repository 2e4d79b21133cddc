-- Deletes those of the tasks that are terminal, with all their index entries and messages.
-- KEYS[1] task:*: the hashes of the tasks
-- KEYS[2] tasks: every task, by position
-- KEYS[3] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[4] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[5] expiring: every task with a ttl, by expiry
-- KEYS[6] messages:*: the messages of the tasks
-- KEYS[7] queues: the ids that have messages, by the expiry of their last one
-- KEYS[8] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[9] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[10] owners:*: the owners that have a queue of the name, in order
-- ARGV[1..] task ids
-- Returns the ids of the deleted tasks
-- include "clock"
-- include "keys"
-- include "task"
-- include "queue"
local taskFamily, tasks, ownerFamily, watched = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local expiring, messagesFamily, queues = KEYS[5], KEYS[6], KEYS[7]
local queued, queueFamily, ownersFamily = KEYS[8], KEYS[9], KEYS[10]

local now = clock()
local removed = {}
local hasQueues = redis.call('EXISTS', queued) == 1
for _, taskId in ipairs(ARGV) do
  local task = member(taskFamily, taskId)
  local row, _, _, _, _, _, _, lease = find(task, now)
  -- Only a terminal task has no lease expiry, and so it is in no set of claims or of active tasks.
  if row and lease == '' then
    local _, _, _, _, name = fixedParts(row)
    redis.call('UNLINK', task, member(messagesFamily, taskId))
    redis.call('ZREM', member(ownerFamily, row[OWNER]), taskId)
    redis.call('ZREM', expiring, expiryEntry(taskId, name, row[OWNER]))
    -- No claim has met the entry of the task since it ended.
    if hasQueues then unqueue(queueFamily, ownersFamily, taskId, name, row[OWNER]) end
    removed[#removed + 1] = taskId
  end
end
if #removed > 0 then
  for _, set in ipairs({ tasks, watched, queues }) do redis.call('ZREM', set, unpack(removed)) end
end
return removed
