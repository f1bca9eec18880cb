-- Removes every key of a session, in one step: what writes to it looks at the session first, before or after.
-- Sent again because its reply was lost, it finds nothing: its answer alone is not the same twice.
-- KEYS[1] sessions of the shard  KEYS[2] due sessions of the shard  KEYS[3] session  KEYS[4] events
-- KEYS[5] answered  KEYS[6] making  KEYS[7] slates  KEYS[8] versions  KEYS[9] stored artifacts
-- and every other key of the session that has no parts
-- ARGV: session id, member, prefixes of the keys of slates, particles, requests, their arguments, artifacts
local session_id, member = ARGV[1], ARGV[2]
local slate_prefix, particle_prefix, request_prefix = ARGV[3], ARGV[4], ARGV[5]
local arguments_prefix, blob_prefix = ARGV[6], ARGV[7]

local function drop(key)
  return redis.call('UNLINK', key)
end

local function drop_request(request_id)
  drop(request_prefix .. request_id)
  drop(arguments_prefix .. request_id)
end

local events = redis.call('LLEN', KEYS[4])
local slates, particles, surrogates = 0, 0, 0
-- Parts are not among KEYS, but of the same session and so of the same cluster slot.
for _, slate_id in ipairs(redis.call('ZRANGE', KEYS[7], 0, -1)) do
  local record = redis.call('GET', slate_prefix .. slate_id)
  local readable, slate = pcall(cjson.decode, record or '')
  if readable then
    for _, item in ipairs(slate.items) do
      particles = particles + drop(particle_prefix .. item.particle_id)
    end
    drop_request(slate.request_id)
  end
  slates = slates + drop(slate_prefix .. slate_id)
end
for _, subject in ipairs(redis.call('HKEYS', KEYS[5])) do
  -- The particles of a comparison, and its rater, have a control character between them.
  for particle_id in string.gmatch(subject, '[^\31]+') do
    particles = particles + drop(particle_prefix .. particle_id)
  end
end
for _, request_id in ipairs(redis.call('HVALS', KEYS[6])) do
  drop_request(request_id)
end
for _, record in ipairs(redis.call('LRANGE', KEYS[8], 0, -1)) do
  surrogates = surrogates + drop(blob_prefix .. cjson.decode(record).version)
end
for _, version in ipairs(redis.call('SMEMBERS', KEYS[9])) do
  surrogates = surrogates + drop(blob_prefix .. version)
end
local sessions = drop(KEYS[3])
for place = 4, #KEYS do
  drop(KEYS[place])
end
redis.call('ZREM', KEYS[2], session_id)
redis.call('ZREM', KEYS[1], member)
return {sessions, events, slates, particles, surrogates}
