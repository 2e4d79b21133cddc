-- include "clock"

-- An element of a queue is the message's expiry, a colon, and the message.
local function elementOf(expires, message)
  return expires .. ':' .. message
end

local function expiryOf(element)
  return tonumber(string.sub(element, 1, string.find(element, ':', 1, true) - 1))
end

local function messageOf(element)
  return string.sub(element, string.find(element, ':', 1, true) + 1)
end
