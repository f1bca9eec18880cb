-- Accepts one answer, or says why not. Everything is checked before the first write.
-- KEYS[5] receipts  KEYS[6] answered  KEYS[7] events  KEYS[8] due sessions of the shard
-- KEYS[9] passing slates  KEYS[10...] its particles
-- ARGV: session id, feedback id, digest, kind, rater, subject, feedback id that it replaces, cost,
--       1 for a default reward, feedback as JSON, prefix of slate keys
local session_id, feedback_id, digest, kind, rater, subject, supersedes = unpack(ARGV)
local cost, defaulted, feedback, slate_prefix = tonumber(ARGV[8]), ARGV[9] == '1', ARGV[10], ARGV[11]
if not known_session() then
  return {'unknown_session'}
end
local now = now_ms()
release_expired(now)

-- A default reward is marked, so that a true answer may take its place: '~' and its id.
local answer = redis.call('HGET', KEYS[6], subject)
local replaceable = answer and string.sub(answer, 1, 1) == '~'
if replaceable then
  answer = string.sub(answer, 2)
end

local budget = field('budget')
local receipt = redis.call('HGET', KEYS[5], feedback_id)
if receipt then
  local known_digest, sequence, spent_after = string.match(receipt, '(%x+) (%d+) (%d+)')
  if known_digest ~= digest then
    -- The caller's answer changed; or the id is the caller's mistake, and its answer is of something else.
    return {answer == feedback_id and 'changed' or 'other_payload'}
  end
  return {'ok', tonumber(sequence), 1, tonumber(spent_after), budget - spent_after}
end
if is_closed() then
  return {'closed', field('closed_at')}
end

local kind_asked = redis.call('HGET', KEYS[1], 'kind') or 'scalar'
if kind ~= kind_asked then
  return {'other_kind', kind_asked}
end
local raters = redis.call('HGET', KEYS[1], 'raters') or ''
if raters .. rater ~= '' and not string.find(raters, ' ' .. rater .. ' ', 1, true) then
  return {'unknown_rater', raters}
end
local shown_in = {}
for i = 10, #KEYS do
  local slate_id = redis.call('HGET', KEYS[i], 'slate_id')
  if not slate_id then
    return {'unknown_particle', i - 10}
  end
  table.insert(shown_in, slate_id)
end
-- The slate that pays: a comparison may be of two.
local slate_id = shown_in[1]

if supersedes ~= '' and supersedes ~= answer then
  local other = redis.call('HGET', KEYS[5], supersedes)
  if not other then
    return {'unknown_answer'}
  end
  local by = string.match(other, '%x+ %d+ %d+ (.+)')
  return by and {'superseded', by} or {'other_subject'}
end
if answer and supersedes == '' and (defaulted or not replaceable) then
  return {'answered', answer}
end
-- What the answer that it replaces has paid for is paid.
cost = answer and 0 or cost
local spent, reserved, held = field('spent'), field('reserved'), held_by(slate_id)
local from_slate = math.min(cost, held)
-- Beyond what its slate reserves, an answer may take what nobody holds; a default reward may not.
local free = defaulted and 0 or budget - spent - reserved
if cost - from_slate > free then
  return {'no_budget', spent, reserved, budget}
end

spent = spent + cost
local event = string.format('{"recorded_at":%.3f,"feedback":%s%s}', now / 1000, feedback,
  defaulted and ',"defaulted":true' or '')
local sequence = redis.call('RPUSH', KEYS[7], event)
redis.call('HSET', KEYS[1], 'spent', spent, 'num_events', sequence)
redis.call('HSET', KEYS[5], feedback_id, digest .. ' ' .. sequence .. ' ' .. spent)
if answer then
  redis.call('HSET', KEYS[5], answer, redis.call('HGET', KEYS[5], answer) .. ' ' .. feedback_id)
end
redis.call('HSET', KEYS[6], subject, (defaulted and '~' or '') .. feedback_id)
for i = 10, #KEYS do
  redis.call('PERSIST', KEYS[i])
end
for _, shown in ipairs(shown_in) do
  -- Not among KEYS, but of the same session and so of the same cluster slot.
  redis.call('PERSIST', slate_prefix .. shown)
  redis.call('ZREM', KEYS[9], shown)
end
if from_slate > 0 then
  redis.call('HINCRBY', KEYS[1], 'reserved', 0 - from_slate)
  redis.call('HINCRBY', KEYS[3], slate_id, 0 - from_slate)
  if from_slate == held then
    close_slate(slate_id)
  end
end
-- Not NX: a session that rests after a failed refit is due at once again.
redis.call('ZADD', KEYS[8], 'LT', now, session_id)
return {'ok', sequence, 0, spent, budget - spent}
