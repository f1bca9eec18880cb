-- Gives up a slate that was never stored, and frees its request id. A stored slate stays as it is.
-- KEYS[5] request  KEYS[6] its arguments.  ARGV: slate id
local slate_id = ARGV[1]
if redis.call('HEXISTS', KEYS[4], slate_id) == 0 then
  return 0
end
close_slate(slate_id)
if redis.call('GET', KEYS[5]) == slate_id then
  redis.call('DEL', KEYS[5], KEYS[6])
end
return 1
