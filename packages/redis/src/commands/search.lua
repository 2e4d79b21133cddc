-- Looks at tasks by position for operators, and returns those that match. Entries of deleted tasks
-- are removed on the way.
-- KEYS[1] tasks: every task, by position
-- KEYS[2] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[3] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[4] task:*: the hashes of the tasks found
-- ARGV[1] newest or oldest: which tasks come first
-- ARGV[2] position to start after, or ''
-- ARGV[3] most tasks to look at
-- ARGV[4] most tasks to return
-- ARGV[5] 1 if only active and failed tasks can match
-- ARGV[6] as JSON: statuses, names, owners, idPrefix, texts
-- ARGV[7..] payload fields
-- Returns the time, the tasks with their ids (id, fields, id, fields, ...), how many it looked at,
-- and the position to continue after, or ''. Otherwise 'unfilled': the caller must fill `watched`
-- include "clock"
-- include "keys"
-- include "task"
local tasks, ownerFamily, watched, taskFamily = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local order, after, mostSeen, mostFound = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local onlyWatched, filter = ARGV[5] == '1', cjson.decode(ARGV[6])
local texts, idPrefix, payloads = filter.texts or {}, filter.idPrefix or '', { unpack(ARGV, 7) }
-- Bounds the payloads in memory, and the time for which the script blocks the server.
local MOST_READ = 262144

local source, owners = tasks, filter.owners
if owners and #owners == 1 then source = member(ownerFamily, owners[1] ~= cjson.null and owners[1]) end
if onlyWatched then
  if redis.call('ZSCORE', watched, MARK) ~= '0' then return 'unfilled' end
  if source == tasks or redis.call('ZCARD', watched) < redis.call('ZCARD', source) then source = watched end
end

local function nextEntries(count)
  if order == 'oldest' then
    local first = '(' .. (after ~= '' and after or '0')
    return redis.call('ZRANGEBYSCORE', source, first, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
  end
  local first = after ~= '' and '(' .. after or '+inf'
  return redis.call('ZREVRANGEBYSCORE', source, first, '(0', 'WITHSCORES', 'LIMIT', 0, count)
end

-- The value is in the list, or there is no list.
local function isIn(list, value)
  if not list then return true end
  for _, each in ipairs(list) do
    if each == value then return true end
  end
  return false
end

local bytesRead = 0
-- These fields of the task, whose bytes count.
local function read(key, fields)
  local values = redis.call('HMGET', key, unpack(fields))
  for _, value in ipairs(values) do bytesRead = bytesRead + #(value or '') end
  return values
end

local function hasTexts(key)
  for _, each in ipairs(texts) do
    local value = read(key, { each.field })[1]
    if not value or not string.find(value, each.text, 1, true) then return false end
  end
  return true
end

local now, time = clock()
local rows, found, seen = {}, 0, 0
while seen < mostSeen do
  local count = math.min(mostSeen - seen, 100)
  local entries = nextEntries(count)
  for i = 1, #entries, 2 do
    local taskId, key = entries[i], member(taskFamily, entries[i])
    local row, status, _, _, _, _, _, lease = find(key, now)
    local _, _, _, position, name = fixedParts(row)
    after = entries[i + 1]
    seen = seen + 1
    -- A different position belongs to a newer task that reuses an expired task's id.
    if position ~= after or (source == watched and lease == '' and status ~= 'failed') then
      -- If the server refuses writes now, the entries stay.
      redis.pcall('ZREM', source, taskId)
    elseif isIn(filter.statuses, status) and isIn(filter.names, name) and isIn(owners, row[OWNER] or cjson.null)
      and string.sub(taskId, 1, #idPrefix) == idPrefix and hasTexts(key) then
      if #payloads > 0 then
        for _, value in ipairs(read(key, payloads)) do row[#row + 1] = value end
      end
      rows[#rows + 1] = taskId
      rows[#rows + 1] = row
      found = found + 1
    end
    if found == mostFound or bytesRead >= MOST_READ then return { time, rows, seen, after } end
  end
  if #entries < 2 * count then return { time, rows, seen, '' } end
end
return { time, rows, seen, after }
