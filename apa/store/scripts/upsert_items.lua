-- Writes records of items, each that differs under a revision of its own; all of them or, where the server
-- has no memory left, none: it refuses the script before its first command.
-- KEYS: items, changes, state, deleted.  ARGV: an epoch that was drawn, then the items: for each the lengths
-- of its id and its record, four bytes each, little-endian, and these. One argument, as a client takes long
-- over thousands.
redis.call('HSETNX', KEYS[3], 'epoch', ARGV[1])
local before = tonumber(redis.call('HGET', KEYS[3], 'revision') or '0')
local revision, at = before, 1
while at <= #ARGV[2] do
  local id_length, length, start = struct.unpack('<I4I4', ARGV[2], at)
  at = start + id_length + length
  local id = string.sub(ARGV[2], start, start + id_length - 1)
  local record = string.sub(ARGV[2], start + id_length, at - 1)
  if redis.call('HGET', KEYS[1], id) ~= record then
    revision = revision + 1
    redis.call('HSET', KEYS[1], id, record)
    redis.call('ZADD', KEYS[2], revision, id)
    redis.call('ZREM', KEYS[4], id)
  end
end
redis.call('HSET', KEYS[3], 'revision', revision)
return {revision, revision - before}
