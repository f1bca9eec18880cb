-- The newest version steers again. One that stayed only for being pinned goes with the next publishing.
-- KEYS: pointer, session
if redis.call('EXISTS', KEYS[2]) == 0 then
  return {'unknown_session'}
end
redis.call('HDEL', KEYS[1], 'pinned', 'pinned_record')
return {'ok'}
