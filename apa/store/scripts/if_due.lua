-- Put in front of acquire_lease: nothing is lent of a session that is not due, or rests after a failure.
-- KEYS[4] due sessions of the shard.  ARGV[3] session id
local since = redis.call('ZSCORE', KEYS[4], ARGV[3])
local now = redis.call('TIME')
if not since or tonumber(since) > now[1] * 1000 + math.floor(now[2] / 1000) then
  return 0
end
