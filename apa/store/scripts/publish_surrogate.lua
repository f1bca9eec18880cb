-- Makes a surrogate current unless a newer refit was begun or published.
-- KEYS: pointer, versions, fence, blob, failure of the last refit, stored artifacts, cohorts.
-- ARGV: session id, version, trained events, record, token, versions to keep, prefix of blob keys, channel,
-- key of the cohort or '', share of it
local session_id, version, trained, record = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local token, keep, prefix = ARGV[5], tonumber(ARGV[6]), ARGV[7]

local function drop(unwanted)
  -- Not among KEYS, but of the same session and so of the same cluster slot.
  redis.call('DEL', prefix .. unwanted)
  redis.call('SREM', KEYS[6], unwanted)
end

local stored = redis.call('LRANGE', KEYS[2], 0, -1)
local same
for _, other in ipairs(stored) do
  if cjson.decode(other).version == version then
    same = other
  end
end

local newest = tonumber(redis.call('HGET', KEYS[1], 'trained_events')) or 0
if redis.call('GET', KEYS[3]) ~= token or trained < newest then
  if not same then
    drop(version)
  end
  return 'superseded'
end
-- Another publisher of the same contents may have been refused, and removed them, since they were validated.
if redis.call('EXISTS', KEYS[4]) == 0 then
  return 'no_blob'
end

redis.call('HSET', KEYS[1], 'version', version, 'trained_events', trained, 'record', record)
redis.call('DEL', KEYS[5])
if same then
  redis.call('LREM', KEYS[2], 0, same)
end
redis.call('LPUSH', KEYS[2], record)
local pinned, kept = redis.call('HGET', KEYS[1], 'pinned'), {}
for place, other in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local name = cjson.decode(other).version
  if place <= keep or name == pinned then
    kept[name] = true
  else
    redis.call('LREM', KEYS[2], 0, other)
    drop(name)
  end
end
-- What a refit stored that died before it came here.
for _, other in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  if not kept[other] then
    drop(other)
  end
end
-- Of the cohort that the session is a member of, by the functions and answers of now, and of no other.
local cohort = ARGV[9]
for _, other in ipairs(redis.call('SMEMBERS', KEYS[7])) do
  if cohort ~= '' and other ~= cohort then
    redis.call('HDEL', other, session_id)
    redis.call('SREM', KEYS[7], other)
  end
end
if cohort ~= '' then
  redis.call('HSET', cohort, session_id, ARGV[10])
  redis.call('SADD', KEYS[7], cohort)
end
redis.call('PUBLISH', ARGV[8], session_id)
return 'published'
