-- Writes records of items, each that differs under a revision of its own; all of them or, where the server
-- has no memory left, none: it refuses the script before its first command.
-- KEYS: items, changes, state, deleted.  ARGV: an epoch that was drawn, then id, record, id, record, ...
redis.call('HSETNX', KEYS[3], 'epoch', ARGV[1])
local before = tonumber(redis.call('HGET', KEYS[3], 'revision') or '0')
local revision = before
for i = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    revision = revision + 1
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[2], revision, ARGV[i])
    redis.call('ZREM', KEYS[4], ARGV[i])
  end
end
redis.call('HSET', KEYS[3], 'revision', revision)
return {revision, revision - before}
