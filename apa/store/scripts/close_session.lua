-- Ends a session: what its slates reserve is given back. The first time of several is the one that is kept.
-- ARGV: prefixes of the keys of requests and of their arguments
if not known_session() then
  return {'unknown_session'}
end
local now = now_ms()
release_expired(now)
if redis.call('HSETNX', KEYS[1], 'closed_at', now) == 1 then
  for _, request_id in ipairs(redis.call('HVALS', KEYS[4])) do
    -- Not among KEYS, but of the same session and so of the same cluster slot.
    redis.call('DEL', ARGV[1] .. request_id, ARGV[2] .. request_id)
  end
  for _, slate_id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    close_slate(slate_id)
  end
end
return {'ok'}
