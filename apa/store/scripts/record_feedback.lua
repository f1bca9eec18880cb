-- Accepts one answer, or says why not. Everything is checked before the first write.
-- KEYS[5] receipts  KEYS[6] answered  KEYS[7] events  KEYS[8] particle  KEYS[9] due sessions of the shard
-- KEYS[10] passing slates
-- ARGV: session id, feedback id, digest, particle id, feedback as JSON, prefix of slate keys
local session_id, feedback_id, digest, particle_id, feedback, slate_prefix = unpack(ARGV)
if not known_session() then
  return {'unknown_session'}
end
local now = now_ms()
release_expired(now)

local budget = field('budget')
local receipt = redis.call('HGET', KEYS[5], feedback_id)
if receipt then
  local known_digest, sequence, spent_after = string.match(receipt, '(%x+) (%d+) (%d+)')
  if known_digest ~= digest then
    -- The caller's answer changed; or the id is the caller's mistake, and its answer is of another particle.
    if redis.call('HGET', KEYS[6], particle_id) == feedback_id then
      return {'changed'}
    end
    return {'other_payload'}
  end
  return {'ok', tonumber(sequence), 1, tonumber(spent_after), budget - spent_after}
end
if is_closed() then
  return {'closed', field('closed_at')}
end

local slate_id = redis.call('HGET', KEYS[8], 'slate_id')
if not slate_id then
  return {'unknown_particle'}
end
local answer = redis.call('HGET', KEYS[6], particle_id)
if answer then
  return {'answered', answer}
end
local spent, held = field('spent'), held_by(slate_id)
-- A slate that reserves nothing any more may still be answered from budget that nobody holds.
if held == 0 and budget - spent - field('reserved') <= 0 then
  return {'no_budget', spent, field('reserved'), budget}
end

spent = spent + 1
local event = string.format('{"recorded_at":%.3f,"feedback":%s}', now / 1000, feedback)
local sequence = redis.call('RPUSH', KEYS[7], event)
redis.call('HSET', KEYS[1], 'spent', spent, 'num_events', sequence)
redis.call('HSET', KEYS[5], feedback_id, digest .. ' ' .. sequence .. ' ' .. spent)
redis.call('HSET', KEYS[6], particle_id, feedback_id)
redis.call('PERSIST', KEYS[8])
-- Not among KEYS, but of the same session and so of the same cluster slot.
redis.call('PERSIST', slate_prefix .. slate_id)
redis.call('ZREM', KEYS[10], slate_id)
if held > 0 then
  redis.call('HINCRBY', KEYS[1], 'reserved', -1)
  redis.call('HINCRBY', KEYS[3], slate_id, -1)
end
if held == 1 then
  close_slate(slate_id)
end
redis.call('ZADD', KEYS[9], 'NX', now, session_id)
return {'ok', sequence, 0, spent, budget - spent}
