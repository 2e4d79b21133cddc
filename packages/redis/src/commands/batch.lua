-- Runs several commands on tasks, in their order. Each has its own outcome: a failed command has
-- its error as its answer, and the others run. The error is text, because a client may reject the
-- whole answer if there is an error in it.
-- KEYS[1] position: the position of the newest task
-- KEYS[2] tasks: every task, by position
-- KEYS[3] owner:*: an owner's tasks, by position; the family itself holds those without owner
-- KEYS[4] counted: `all` once every active task is in the next two; no key until a cap is set
-- KEYS[5] active: every active task, by expiry, once a cap is set
-- KEYS[6] activeOf:*: an owner's active tasks, by expiry, once a cap is set
-- KEYS[7] watched: active and failed tasks, by position, from the first search for them on
-- KEYS[8] claims:*: the active tasks of a name, by lease expiry
-- KEYS[9] expiring: every task with a ttl, by expiry
-- KEYS[10] queued: up to where the queues are filled, or `all`; no key until a claim has limits
-- KEYS[11] queue:*: active tasks of a name and owner, by lease expiry, once a claim has limits
-- KEYS[12] owners:*: the owners that have a queue of the name, in order
-- KEYS[13] changes: the channel
-- KEYS[14] events:*: the notifiers; the family has their events (includes/event.lua)
-- KEYS[15] task:*: the hashes of tasks
-- KEYS[16..] task: the hash of each command's task
-- ARGV[1..] for each command its name, how many arguments it has, and the arguments
-- Returns the answer of each command, 'failed:' and the error of a failed one, or 'later' for one
-- that the caller must send alone
-- include "clock"
-- include "keys"
-- include "scope"
-- include "task"
-- include "signal"
-- include "history"
-- include "step"
-- include "queue"
-- include "event"
-- One time for all, as Redis expires no key during a script.
local startedAt, startedAtText = clock()
local function clock() return startedAt, startedAtText end
-- command "insert"
-- command "read"
-- command "update"
local commands = { insert = insert, read = read, update = update }
local FIRST_TASK = 16
-- Bounds the payloads in memory, and the time for which the script blocks the server.
local MOST_READ = 65536

local answers, bytesRead, at = {}, 0, 1
-- The tasks whose read is skipped. Later commands on them wait for it, to keep their order.
local skipped = {}
for i = FIRST_TASK, #KEYS do
  local name, last = ARGV[at], at + 1 + ARGV[at + 1]
  local arguments = { unpack(ARGV, at + 2, last) }
  at = last + 1
  local done, answer = true, 'later'
  if skipped[KEYS[i]] or (name == 'read' and bytesRead >= MOST_READ) then
    skipped[KEYS[i]] = true
  else
    done, answer = pcall(commands[name], KEYS[i], arguments)
  end
  -- Redis 7 gives an error's message, and others a table with it.
  if not done then answer = 'failed:' .. (type(answer) == 'table' and answer.err or answer)
  elseif name == 'read' and answer and answer ~= 'later' then
    for field = OWNER + 1, #answer do bytesRead = bytesRead + #(answer[field] or '') end
  end
  answers[#answers + 1] = answer
end
return answers
