-- Stores a session and its empty ledger, or returns the one that has the id already.
-- KEYS: session, ledger, sessions of the shard.
-- ARGV: record, budget, member, fields of the ledger that say what is asked and of whom...
local stored = redis.call('GET', KEYS[1])
if stored then
  return stored
end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'budget', ARGV[2], 'spent', 0, 'reserved', 0, 'round_index', 0, 'num_events', 0)
for i = 4, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('ZADD', KEYS[3], 0, ARGV[3])
return ARGV[1]
