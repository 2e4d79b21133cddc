-- Reads tasks without payloads.
-- KEYS[1..] task: their hashes
-- Returns the time, and for each task its fields, or nothing
-- include "clock"
-- include "task"
local now, time = clock()
local rows = {}
for i, task in ipairs(KEYS) do rows[i] = find(task, now) or false end
return { time, rows }
