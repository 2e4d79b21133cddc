-- Reads tasks with payloads.
-- KEYS[1..] task: their hashes
-- ARGV[1..] payload fields
-- Returns the time, and for each task its fields and payloads, or nothing
-- include "clock"
-- include "task"
local now, time = clock()
local rows = {}
for i, task in ipairs(KEYS) do rows[i] = find(task, now, unpack(ARGV)) or false end
return { time, rows }
