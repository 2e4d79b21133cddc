-- Reads tasks by position. The cost does not depend on the number of tasks. Entries of deleted
-- tasks are removed on the way. After too many of them the caller must go on from the returned
-- position.
-- KEYS[1] tasks: every task, by position
-- KEYS[2] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[3] task:*: the hashes of the tasks found
-- ARGV[1] kind of scope, ARGV[2] its owner
-- ARGV[3] position to start after
-- ARGV[4] most tasks
-- Returns the time, the tasks with their ids (id, fields, id, fields, ...), and the position to
-- continue after, or ''
-- include "clock"
-- include "keys"
-- include "task"
local tasks, ownerFamily, taskFamily = KEYS[1], KEYS[2], KEYS[3]
local kind, owner, after, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local sources
if kind == 'any' then sources = { tasks }
elseif kind == 'unowned' then sources = { ownerFamily }
elseif kind == 'owner' then sources = { member(ownerFamily, owner) }
else sources = { member(ownerFamily, owner), ownerFamily } end

-- The next entries of all sources, in order.
local function nextEntries(count)
  local entries = {}
  for _, source in ipairs(sources) do
    local found = redis.call('ZRANGEBYSCORE', source, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
    for i = 1, #found, 2 do
      entries[#entries + 1] = { source = source, taskId = found[i], position = found[i + 1] }
    end
  end
  if #sources > 1 then
    table.sort(entries, function(a, b) return tonumber(a.position) < tonumber(b.position) end)
  end
  return entries
end

local MOST_GONE = 500
local now, time = clock()
local rows, found, gone = {}, 0, 0
while found < limit do
  local count = math.min(limit - found, 100)
  local entries = nextEntries(count)
  for i = 1, math.min(#entries, count) do
    local entry = entries[i]
    local row = find(member(taskFamily, entry.taskId), now)
    local _, _, _, position = fixedParts(row)
    after = entry.position
    -- A different position belongs to a newer task that reuses an expired task's id.
    if position == entry.position then
      rows[#rows + 1] = entry.taskId
      rows[#rows + 1] = row
      found = found + 1
    else
      -- If the server refuses writes now, the entries stay.
      redis.pcall('ZREM', entry.source, entry.taskId)
      gone = gone + 1
    end
  end
  if #entries < count then return { time, rows, '' } end
  if gone >= MOST_GONE then return { time, rows, after } end
end
return { time, rows, '' }
