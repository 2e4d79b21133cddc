-- The history with one more line. The newest 4,096 bytes are kept, so the first line may be cut.
local function appended(history, time, entry)
  return string.sub((history or '') .. time .. ' ' .. entry .. '\n', -4096)
end
