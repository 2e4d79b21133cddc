-- Makes the store's id unless it has one, and reads the server's INFO.
-- KEYS[1] id: the store's id
-- ARGV[1] a random id
-- Returns the store's id, the time, and the server's INFO, or '' if that is forbidden
-- include "clock"
local id = KEYS[1]
local fresh = ARGV[1]

redis.call('SET', id, fresh, 'NX')
local info = redis.pcall('INFO')
local _, time = clock()
return { redis.call('GET', id), time, type(info) == 'string' and info or '' }
