-- Keeps why a refit failed, unless a later one was begun.
-- KEYS: failure, fence.  ARGV: token, record
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
