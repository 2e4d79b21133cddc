-- include "clock"
-- The events that wait for notifiers. `events` is the hash of the notifiers: by name the number of
-- its queue and its kinds, with commas between them and at the end. All keys of a queue begin with
-- `events`, a colon and its number:
--   :body    hash of the events by number, each as `packed` makes it
--   :due     numbers of those that may be taken, by the time: of each task the first one that waits
--   :kept    all numbers, by number
--   :aside   numbers of those that are set aside, by number
--   :turn:*  a task's numbers that wait, in their order
-- `events:last` is the last number of an event or a queue, and `events:gone` has the queues that
-- are being deleted.

-- The start of the keys of a notifier's queue, and its kinds. Nothing without such a notifier.
local function queueOf(events, notifier)
  local value = redis.call('HGET', events, notifier)
  if not value then return nil end
  local number, kinds = string.match(value, '^(%d+)(.*)$')
  return events .. ':' .. number, kinds
end

-- An event as a text: attempt, token, 1 if it is set aside, its last error, and its fixed parts.
local function packed(attempt, token, aside, err, fixed)
  return attempt .. ' ' .. token .. ' ' .. aside .. '\0' .. err .. '\0' .. fixed
end

local function unpacked(body)
  return string.match(body, '^(%d+) (%d+) (%d)%z([^%z]*)%z(.*)$')
end

-- The id of its task, the last of the fixed parts.
local function taskOf(fixed)
  return string.match(fixed, '([^%z]*)$')
end

-- Puts an event at the end of its task's queue.
local function await(queue, seq, taskId, time)
  if redis.call('RPUSH', queue .. ':turn:' .. taskId, seq) == 1 then redis.call('ZADD', queue .. ':due', time, seq) end
end

-- Writes the events of a change. `owner` and `message` may be false.
local function addEvents(events, kind, time, taskId, owner, name, status, message, updated, revision)
  local notifiers = redis.call('HGETALL', events)
  for i = 1, #notifiers, 2 do
    if string.find(notifiers[i + 1], ',' .. kind .. ',', 1, true) then
      local queue = events .. ':' .. string.match(notifiers[i + 1], '^%d+')
      local seq = text(redis.call('INCR', events .. ':last'))
      local id = redis.sha1hex(queue .. ' ' .. seq .. ' ' .. time .. ' ' .. taskId)
      local fixed = table.concat({ id, kind, updated, revision, status, name, owner and '1' .. owner or '0',
        message and '1' .. message or '0', taskId }, '\0')
      redis.call('HSET', queue .. ':body', seq, packed(0, 0, 0, '', fixed))
      redis.call('ZADD', queue .. ':kept', seq, seq)
      await(queue, seq, taskId, time)
    end
  end
end

-- The kind of a change after which the task has this status, and was there before.
local function kindOf(status)
  if status == 'working' then return 'progress' end
  return status == 'input_required' and status or 'end'
end
