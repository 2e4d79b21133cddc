-- Writes tasks as they are, with new positions in this order, unless their ids exist.
-- KEYS[1] task:*: the hashes of the tasks
-- KEYS[2] position: the position of the newest task
-- KEYS[3] tasks: every task, by position
-- KEYS[4] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[5] counted: `all` once every active task is in the next two; no key until a cap is set
-- KEYS[6] active: every active task, by expiry, once a cap is set
-- KEYS[7] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[8] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[9] claims:*: the active tasks of a name, by lease expiry
-- KEYS[10] expiring: every task with a ttl, by expiry
-- KEYS[11] messages:*: the messages of the tasks
-- KEYS[12] queues: the ids that have messages, by the expiry of their last one
-- KEYS[13] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[14] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[15] owners:*: the owners that have a queue of the name, in order
-- KEYS[16] changes: the channel
-- KEYS[17] events:*: the notifiers; the family has their events (includes/event.lua)
-- ARGV[1..] for each task its id, 1 with an owner, the owner, the name, the parts of `task` before
-- the position, `state`, how many arguments its other fields have, and these: name, value, name,
-- value, ..., then how many arguments its messages have, and these: expiry, message, ...
-- Returns the ids of the tasks that were written
-- include "clock"
-- include "keys"
-- include "task"
-- include "signal"
-- include "messages"
-- include "queue"
-- include "event"
local taskFamily, position, tasks, ownerFamily, counted = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local active, activeOfFamily, watched, claimsFamily = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local expiring, messagesFamily, messageQueues = KEYS[10], KEYS[11], KEYS[12]
local queued, queueFamily, ownersFamily, changes = KEYS[13], KEYS[14], KEYS[15], KEYS[16]
local events = KEYS[17]

local now, time = clock()
local notifies = redis.call('EXISTS', events) == 1
local counts, watches = redis.call('EXISTS', counted) == 1, redis.call('EXISTS', watched) == 1
local queues = redis.call('EXISTS', queued) == 1
local written, at = {}, 1

local function restore(taskId, owner, name, before, state, first, last)
  local task = member(taskFamily, taskId)
  if find(task, now) then return false end
  redis.call('UNLINK', task)
  local status, updated, expires, revision, lease = string.match(state, '(%S*) (%S*) (%S*) (%S*) %S* %S* (%S*)')
  local place = text(redis.call('INCR', position))
  local fixed = before .. ' ' .. place .. ' ' .. name
  redis.call('HSET', task, 'task', fixed, 'state', state)
  -- One by one, as there may be more steps than a call has arguments.
  for i = first, last, 2 do redis.call('HSET', task, ARGV[i], ARGV[i + 1]) end
-- include "index"
  if notifies then
    local message = false
    for i = first, last, 2 do if ARGV[i] == 'statusMessage' then message = ARGV[i + 1] end end
    addEvents(events, 'created', time, taskId, owner, name, status, message, updated, revision)
  end
  return true
end

while at <= #ARGV do
  local taskId, owner, fieldsAt = ARGV[at], ARGV[at + 1] == '1' and ARGV[at + 2], at + 7
  local messagesAt = fieldsAt + ARGV[at + 6]
  local last = messagesAt + ARGV[messagesAt]
  if restore(taskId, owner, ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], fieldsAt, messagesAt - 1) then
    local messages = member(messagesFamily, taskId)
    for i = messagesAt + 1, last, 2 do
      redis.call('RPUSH', messages, elementOf(ARGV[i], ARGV[i + 1]))
      redis.call('ZADD', messageQueues, 'GT', ARGV[i], taskId)
    end
    if last > messagesAt then redis.call('PEXPIREAT', messages, redis.call('ZSCORE', messageQueues, taskId)) end
    written[#written + 1] = taskId
  end
  at = last + 1
end
return written
