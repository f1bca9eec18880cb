-- Lends a session's refit to one owner and numbers the loan; a later number beats an earlier one.
-- KEYS: lease, fence.  ARGV: owner, lifetime in ms
local owner = redis.call('HGET', KEYS[1], 'owner')
-- The same owner is the same call, sent again because its reply was lost on the way.
if owner == ARGV[1] then
  return tonumber(redis.call('HGET', KEYS[1], 'token'))
end
if owner then
  return 0
end
local token = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
