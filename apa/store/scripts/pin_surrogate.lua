-- Lets a kept version steer, whatever is published.
-- KEYS: pointer, versions, session.  ARGV: version
if redis.call('EXISTS', KEYS[3]) == 0 then
  return {'unknown_session'}
end
local kept = {}
for _, record in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local version = cjson.decode(record).version
  if version == ARGV[1] then
    redis.call('HSET', KEYS[1], 'pinned', version, 'pinned_record', record)
    return {'ok'}
  end
  table.insert(kept, version)
end
return {'not_kept', unpack(kept)}
