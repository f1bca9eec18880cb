-- Lends a session's refit to one owner and numbers the loan; a later number beats an earlier one.
-- KEYS: lease, fence, session.  ARGV: owner, lifetime in ms
local owner = redis.call('HGET', KEYS[1], 'owner')
-- The same owner is the same call, sent again because its reply was lost on the way.
if owner == ARGV[1] then
  return tonumber(redis.call('HGET', KEYS[1], 'token'))
end
if owner or redis.call('EXISTS', KEYS[3]) == 0 then
  return 0
end
-- Numbers go on from the clock: a session that takes the id of a deleted one takes none of its numbers.
local time = redis.call('TIME')
redis.call('SET', KEYS[2], string.format('%d%03d', time[1], math.floor(time[2] / 1000)), 'NX')
local token = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
