-- Milliseconds since the epoch by the server's clock, as a number and as text.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), string.format('%s%03d', time[1], math.floor(time[2] / 1000))
end

-- A whole number as text. tostring() would write a time as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end
