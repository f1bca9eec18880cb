-- Keeps why a refit failed, unless a later one was begun, and ends its lease.
-- The same answers are tried again after a rest, or not at all; those that have come since, at once.
-- KEYS: failure, fence, lease, ledger, due sessions of the shard.
-- ARGV: token, record, owner, session id, events that it failed on, rest in ms ('': for good)
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
if redis.call('HGET', KEYS[3], 'owner') == ARGV[3] then
  redis.call('DEL', KEYS[3])
end
if redis.call('HGET', KEYS[4], 'num_events') ~= ARGV[5] then
  return 1
end
if ARGV[6] == '' then
  redis.call('ZREM', KEYS[5], ARGV[4])
else
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[5], 'XX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[6], ARGV[4])
end
return 1
