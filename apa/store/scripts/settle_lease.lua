-- Ends a lease, and the session's being due when nothing was recorded that the refit has not seen.
-- A refit that succeeded ends what is known of one that failed before it.
-- KEYS: lease, ledger, due sessions of the shard, failure.  ARGV: owner, session id, trained events (-1: none)
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[3] ~= '-1' then
  redis.call('DEL', KEYS[4])
end
if redis.call('HGET', KEYS[2], 'num_events') ~= ARGV[3] then
  return 0
end
redis.call('ZREM', KEYS[3], ARGV[2])
return 1
