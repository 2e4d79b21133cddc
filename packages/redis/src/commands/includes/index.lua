-- Puts a new task, whose hash is written, into the indexes, and tells of it. It reads the script's
-- locals:
--   task, tasks, ownerFamily, active, activeOfFamily, watched,
--   claimsFamily, queueFamily, ownersFamily, expiring, changes   the keys
--   taskId, owner, name, place, status, expires, lease, fixed, state   the task
--   counts, watches, queues   whether the sets of active tasks, `watched` and the queues exist
redis.call('ZADD', tasks, place, taskId)
redis.call('ZADD', member(ownerFamily, owner), place, taskId)
-- Only a terminal task has no lease expiry.
if lease ~= '' then
  redis.call('ZADD', member(claimsFamily, name), lease, taskId)
  if counts then
    redis.call('ZADD', active, expires ~= '' and expires or '+inf', taskId)
    redis.call('ZADD', member(activeOfFamily, owner), expires ~= '' and expires or '+inf', taskId)
  end
  if queues then
    redis.call('ZADD', memberOf(queueFamily, name, ownerKey(owner)), lease, taskId)
    redis.call('ZADD', member(ownersFamily, name), 0, ownerKey(owner))
  end
end
if watches and (lease ~= '' or status == 'failed') then
  redis.call('ZADD', watched, place, taskId)
  redis.call('HSET', task, 'watched', '1')
end
redis.call('SPUBLISH', changes, signal(taskId, owner, state, fixed))
if expires ~= '' then
  redis.call('ZADD', expiring, expires, expiryEntry(taskId, name, owner))
  -- Last, since an expiry in the past deletes the hash.
  redis.call('PEXPIREAT', task, expires)
end
