-- Fills sets that exist only once they are needed, with the tasks made before. It goes through all
-- tasks by position, in steps. From the first step on, a creation adds its own task.
-- `add` gets a task's id, key, fields, status, expiry, lease expiry and position.
-- Returns the position up to which tasks were added, or `all`
local function fill(tasks, taskFamily, after, most, add)
  local now = clock()
  local found = redis.call('ZRANGEBYSCORE', tasks, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
  for i = 1, #found, 2 do
    local taskId, position = found[i], found[i + 1]
    local task = member(taskFamily, taskId)
    local row, status, _, expires, _, _, _, lease = find(task, now)
    if row then add(taskId, task, row, status, expires, lease, position) end
    after = position
  end
  return #found < 2 * most and 'all' or after
end
