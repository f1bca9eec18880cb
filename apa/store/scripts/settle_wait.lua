-- Ends the wait of a slate that was given its default rewards: what it still reserves is given back.
-- KEYS[5] waiting slates of the shard.  ARGV: slate id, member of the waiting
redis.call('ZREM', KEYS[5], ARGV[2])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  close_slate(ARGV[1])
end
