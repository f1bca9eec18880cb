-- The ledger's bookkeeping, put in front of every script that looks at a budget.
-- KEYS[1] ledger  KEYS[2] open slates  KEYS[3] unanswered  KEYS[4] making
-- Time is the server's, so that the services' clocks do not matter.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function field(name)
  return tonumber(redis.call('HGET', KEYS[1], name)) or 0
end

local function known_session()
  return redis.call('EXISTS', KEYS[1]) == 1
end

local function is_closed()
  return redis.call('HEXISTS', KEYS[1], 'closed_at') == 1
end

local function held_by(slate_id)
  return tonumber(redis.call('HGET', KEYS[3], slate_id)) or 0
end

-- Gives back what a slate still reserves. A slate that was stored is thereby a finished round;
-- one that was still being made never was a round.
-- ZREM comes first because it frees memory: a full server refuses a script's first write only when it grows.
local function close_slate(slate_id)
  redis.call('ZREM', KEYS[2], slate_id)
  redis.call('HINCRBY', KEYS[1], 'reserved', 0 - held_by(slate_id))
  redis.call('HDEL', KEYS[3], slate_id)
  if redis.call('HDEL', KEYS[4], slate_id) == 0 then
    redis.call('HINCRBY', KEYS[1], 'round_index', 1)
  end
end

-- "Before now", exclusive, as keys with a lifetime do: a slate and its keys end at the same millisecond.
local function release_expired(now)
  for _, slate_id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. now)) do
    close_slate(slate_id)
  end
end
