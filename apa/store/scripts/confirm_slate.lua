-- Turns a reservation into a stored slate. Its particles were written in the same transaction.
-- KEYS[5] request  KEYS[6] slate  KEYS[7] shown items  KEYS[8] arguments of the request
-- KEYS[9] slates  KEYS[10] passing slates  KEYS[11] slates of the shard that wait for default rewards
-- ARGV: slate id, record, asked, creation, expiry and end of the record in ms, end of the reservation in ms,
--       member of the waiting ('': none), shown item ids...
local slate_id, record, asked = ARGV[1], ARGV[2], tonumber(ARGV[3])
local created, expires, gone = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local released, waiting = tonumber(ARGV[7]), ARGV[8]
-- Stored already: the same call, sent again because its reply was lost on the way.
if redis.call('EXISTS', KEYS[6]) == 1 then
  return {'ok'}
end
local now = now_ms()
release_expired(now)
if is_closed() then
  return {'closed', field('closed_at')}
end
if redis.call('HEXISTS', KEYS[4], slate_id) == 0 then
  return {'lost'}
end
local held = held_by(slate_id)
if asked > held then
  return {'asks_too_much', held}
end

redis.call('SET', KEYS[6], record, 'PXAT', gone)
for _, passed in ipairs(redis.call('ZRANGEBYSCORE', KEYS[10], '-inf', '(' .. now)) do
  redis.call('ZREM', KEYS[9], passed)
  redis.call('ZREM', KEYS[10], passed)
end
redis.call('ZADD', KEYS[9], created, slate_id)
redis.call('ZADD', KEYS[10], gone, slate_id)
redis.call('PEXPIREAT', KEYS[5], expires)
redis.call('PEXPIREAT', KEYS[8], expires)
for i = 9, #ARGV do
  redis.call('SADD', KEYS[7], ARGV[i])
end
redis.call('HDEL', KEYS[4], slate_id)
redis.call('HINCRBY', KEYS[1], 'reserved', asked - held)
if asked > 0 then
  redis.call('HSET', KEYS[3], slate_id, asked)
  redis.call('ZADD', KEYS[2], released, slate_id)
  if waiting ~= '' then
    redis.call('ZADD', KEYS[11], expires, waiting)
  end
else
  redis.call('HDEL', KEYS[3], slate_id)
  redis.call('ZREM', KEYS[2], slate_id)
end
return {'ok'}
