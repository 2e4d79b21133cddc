-- Takes the leases of claimable tasks of one name, of owners in turn, while the limits have room.
-- KEYS[1] task:*: the hashes of the tasks found
-- KEYS[2] active: every active task, by expiry, once a cap is set
-- KEYS[3] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[4] claims:*: the active tasks of a name, by lease expiry
-- KEYS[5] expiring: every task with a ttl, by expiry
-- KEYS[6] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[7] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[8] owners:*: the owners that have a queue of the name, in order
-- KEYS[9] turns: by name, the owner that was served last
-- KEYS[10] places:*: the tasks of a name that claims with limits took, by the time of the last look
-- at them, and those of a name and owner
-- ARGV[1] milliseconds until the leases lapse
-- ARGV[2] most tasks to take
-- ARGV[3] a line to append to the history of each task, or ''
-- ARGV[4] name
-- ARGV[5] most running tasks, or ''
-- ARGV[6] most running tasks of an owner, or ''
-- ARGV[7] how many owners in a row had no task for this claim
-- Returns the time, for each task its fields, request, inputs, checkpoint and id, and -1, or the
-- number for ARGV[7] if the caller must go on. 'unqueued': the caller must fill the queues first
-- include "clock"
-- include "keys"
-- include "task"
-- include "history"
-- include "queue"
local taskFamily, active, activeOfFamily, claimsFamily, expiring = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local queued, queueFamily, ownersFamily, turns, placesFamily = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local leaseMs, most, entry, name, action = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], 'take'
local running, runningPerOwner, passed = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local firstField = #ARGV + 1
-- Bounds the time for which the script blocks the server.
local MOST_LOOKS = 500

if redis.call('GET', queued) ~= 'all' then return 'unqueued' end
local now, time = clock()
-- Most claims find nothing. The mark of a paused name is the first of its set.
local due = redis.call('ZRANGEBYSCORE', member(claimsFamily, name), '-inf', time, 'LIMIT', 0, 1)[1]
if not due or due == MARK then return { time, {}, -1 } end

local owners, places = member(ownersFamily, name), member(placesFamily, name)

-- Removes the places of tasks that no longer run, and adds the others to `kept`. A place has the
-- task's id, the token of its lease, its position, and its owner.
local function tidy(found, kept)
  for _, place in ipairs(found) do
    local taskId, token, position, key = string.match(place, '^(%Z*)%z(%S*) (%S*)%z(.*)$')
    local row, _, _, _, _, _, present, lease = find(member(taskFamily, taskId), now)
    local _, _, _, placeOfRow = fixedParts(row)
    -- A different position belongs to a newer task that reuses an expired task's id.
    if row and present == token and placeOfRow == position and lease ~= '' and tonumber(lease) > now then
      kept[#kept + 1] = place
    else
      redis.call('ZREM', places, place)
      redis.call('SREM', memberOf(placesFamily, name, key), place)
    end
  end
end

-- Looks at some places even if there is room, so that they end with their tasks, and at all of them
-- if there is none. Those not looked at for longest come first.
local room, kept = most, {}
repeat
  local found = redis.call('ZRANGE', places, #kept, #kept + 4)
  tidy(found, kept)
  if running then room = math.min(most, running - redis.call('ZCARD', places)) end
until room >= most or #found < 5
if room <= 0 then return { time, {}, -1 } end
for _, place in ipairs(kept) do redis.call('ZADD', places, time, place) end

local function isFull(key)
  if not runningPerOwner then return false end
  local own = memberOf(placesFamily, name, key)
  if redis.call('SCARD', own) < runningPerOwner then return false end
  tidy(redis.call('SMEMBERS', own), {})
  return redis.call('SCARD', own) >= runningPerOwner
end

local claimed, looks, left = {}, 0, redis.call('ZCARD', owners)

-- Takes the task of the owner whose lease lapsed first. Puts entries right that are out of date, or
-- removes them, on the way. Returns whether there was one, or nil after too many looks.
local function takeOf(key)
  local queue = memberOf(queueFamily, name, key)
  while looks < MOST_LOOKS do
    looks = looks + 1
    local taskId = redis.call('ZRANGEBYSCORE', queue, '-inf', time, 'LIMIT', 0, 1)[1]
    if not taskId or isFull(key) then return false end
    local task = member(taskFamily, taskId)
    local row, status, updated, expires, revision, attempt, token, lease =
      find(task, now, 'request', 'inputs', 'checkpoint', 'history')
    local _, _, _, position, ofName = fixedParts(row)
    if not row or lease == '' or ofName ~= name or ownerKey(row[OWNER]) ~= key then
      redis.call('ZREM', queue, taskId)
    elseif tonumber(lease) > now then
      redis.call('ZADD', queue, lease, taskId)
    else
      if entry ~= '' then ARGV[firstField], ARGV[firstField + 1] = 'history', appended(row[8], time, entry) end
-- include "apply"
      redis.call('ZADD', queue, lease, taskId)
      local place = taskId .. '\0' .. token .. ' ' .. position .. '\0' .. key
      redis.call('ZADD', places, time, place)
      redis.call('SADD', memberOf(placesFamily, name, key), place)
      row[8] = taskId
      claimed[#claimed + 1] = row
      return true
    end
  end
  return nil
end

local last, goesOn = redis.call('HGET', turns, name), false
while #claimed < room and passed < left do
  local key = last and redis.call('ZRANGEBYLEX', owners, '(' .. last, '+', 'LIMIT', 0, 1)[1]
    or redis.call('ZRANGEBYLEX', owners, '-', '+', 'LIMIT', 0, 1)[1]
  local took = takeOf(key)
  if took == nil then
    goesOn = #claimed == 0
    break
  elseif took then
    passed = 0
  elseif redis.call('EXISTS', memberOf(queueFamily, name, key)) == 0 then
    redis.call('ZREM', owners, key)
    left = left - 1
  else
    passed = passed + 1
  end
  last = key
end
if last and (#claimed > 0 or goesOn) then redis.call('HSET', turns, name, last) end
return { time, claimed, goesOn and passed or -1 }
