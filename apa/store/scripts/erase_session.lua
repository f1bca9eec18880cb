-- Removes every key of a session, in one step: what writes to it looks at the session first, before or after.
-- Sent again because its reply was lost, it finds nothing: its answer alone is not the same twice.
-- KEYS[1] sessions of the shard  KEYS[2] due sessions of the shard  KEYS[3] waiting slates of the shard
-- KEYS[4] session  KEYS[5] events  KEYS[6] answered  KEYS[7] making  KEYS[8] slates  KEYS[9] versions
-- KEYS[10] stored artifacts  KEYS[11] cohorts
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

local events = redis.call('LLEN', KEYS[5])
local slates, particles, surrogates = 0, 0, 0
-- Parts are not among KEYS, but of the same session and so of the same cluster slot.
for _, slate_id in ipairs(redis.call('ZRANGE', KEYS[8], 0, -1)) do
  local record = redis.call('GET', slate_prefix .. slate_id)
  local readable, slate = pcall(cjson.decode, record or '')
  if readable then
    for _, item in ipairs(slate.items) do
      particles = particles + drop(particle_prefix .. item.particle_id)
    end
    drop_request(slate.request_id)
  end
  slates = slates + drop(slate_prefix .. slate_id)
  redis.call('ZREM', KEYS[3], session_id .. '/' .. slate_id)
end
for _, subject in ipairs(redis.call('HKEYS', KEYS[6])) do
  -- The particles of a comparison, and its rater, have a control character between them.
  for particle_id in string.gmatch(subject, '[^\31]+') do
    particles = particles + drop(particle_prefix .. particle_id)
  end
end
for _, request_id in ipairs(redis.call('HVALS', KEYS[7])) do
  drop_request(request_id)
end
for _, record in ipairs(redis.call('LRANGE', KEYS[9], 0, -1)) do
  surrogates = surrogates + drop(blob_prefix .. cjson.decode(record).version)
end
for _, version in ipairs(redis.call('SMEMBERS', KEYS[10])) do
  surrogates = surrogates + drop(blob_prefix .. version)
end
local shares = 0
-- Of the same shard.
for _, cohort in ipairs(redis.call('SMEMBERS', KEYS[11])) do
  shares = shares + redis.call('HDEL', cohort, session_id)
end
local sessions = drop(KEYS[4])
for place = 5, #KEYS do
  drop(KEYS[place])
end
redis.call('ZREM', KEYS[2], session_id)
redis.call('ZREM', KEYS[1], member)
return {sessions, events, slates, particles, surrogates, shares}
