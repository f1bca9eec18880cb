-- Turns a reservation into a stored slate. Its particles were written in the same transaction.
-- KEYS[5] request  KEYS[6] slate  KEYS[7] shown items  KEYS[8] arguments of the request
-- ARGV: slate id, record, asked, expiry in ms, shown item ids...
local slate_id, record, asked, expires = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- Stored already: the same call, sent again because its reply was lost on the way.
if redis.call('EXISTS', KEYS[6]) == 1 then
  return {'ok'}
end
release_expired(now_ms())
if redis.call('HEXISTS', KEYS[4], slate_id) == 0 then
  return {'lost'}
end
local held = held_by(slate_id)
if asked > held then
  return {'asks_too_much', held}
end

redis.call('SET', KEYS[6], record, 'PXAT', expires)
redis.call('PEXPIREAT', KEYS[5], expires)
redis.call('PEXPIREAT', KEYS[8], expires)
for i = 5, #ARGV do
  redis.call('SADD', KEYS[7], ARGV[i])
end
redis.call('HDEL', KEYS[4], slate_id)
redis.call('HINCRBY', KEYS[1], 'reserved', asked - held)
if asked > 0 then
  redis.call('HSET', KEYS[3], slate_id, asked)
  redis.call('ZADD', KEYS[2], expires, slate_id)
else
  redis.call('HDEL', KEYS[3], slate_id)
  redis.call('ZREM', KEYS[2], slate_id)
end
return {'ok'}
