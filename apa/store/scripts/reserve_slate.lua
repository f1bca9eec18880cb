-- Reserves budget for a slate about to be made, or finds the slate of a repeated request.
-- KEYS[5] request  KEYS[6] its arguments.  ARGV: slate id, request id, k, lifetime in ms, arguments ('': not told)
local slate_id, request_id, k, lifetime = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local arguments = ARGV[5]
if not known_session() then
  return {'unknown_session'}
end
local now = now_ms()
release_expired(now)

local known = redis.call('GET', KEYS[5])
-- Of this slate only: a release without arguments may have freed the request and reserved it again.
local given = known and redis.call('GET', KEYS[6])
if given and arguments ~= '' and string.sub(given, 1, #known + 1) == known .. ' ' then
  given = string.sub(given, #known + 2)
  if given ~= arguments then
    return {'other_arguments', given}
  end
end
if known and redis.call('HEXISTS', KEYS[4], known) == 0 then
  return {'made', known}
end
-- The same slate id is the same call, sent again because its reply was lost on the way.
if known == slate_id then
  return {'reserved', held_by(slate_id), field('round_index')}
end
if known then
  return {'being_made', redis.call('PTTL', KEYS[5])}
end
if is_closed() then
  return {'closed', field('closed_at')}
end

local asked = math.max(0, math.min(k, field('budget') - field('spent') - field('reserved')))
redis.call('SET', KEYS[5], slate_id, 'PXAT', now + lifetime)
if arguments ~= '' then
  redis.call('SET', KEYS[6], slate_id .. ' ' .. arguments, 'PXAT', now + lifetime)
end
redis.call('HSET', KEYS[4], slate_id, request_id)
redis.call('HSET', KEYS[3], slate_id, asked)
redis.call('ZADD', KEYS[2], now + lifetime, slate_id)
redis.call('HINCRBY', KEYS[1], 'reserved', asked)
return {'reserved', asked, field('round_index')}
