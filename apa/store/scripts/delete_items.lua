-- Marks items as deleted. What they were stays beside the mark, for slates that show them; of those that are
-- in no folder for so long, then nothing.
-- KEYS: items, changes, state, deleted.
-- ARGV: an epoch that was drawn, mark of an item without a record, how long it stays in ms, marks that go at
-- most, then id, 1 if it is in the folder, id, ...
local bare, keep, most = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('HSETNX', KEYS[3], 'epoch', ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('HGET', KEYS[3], 'revision') or '0')
local revision = before
for i = 5, #ARGV, 2 do
  local id, in_folder = ARGV[i], ARGV[i + 1] == '1'
  local record = redis.call('HGET', KEYS[1], id)
  local marked
  if record and string.sub(record, 2, 2) ~= 'd' then
    marked = string.sub(record, 1, 1) .. 'd' .. string.sub(record, 3)
  elseif not record and in_folder then
    marked = bare
  end
  if marked then
    revision = revision + 1
    redis.call('HSET', KEYS[1], id, marked)
    redis.call('ZADD', KEYS[2], revision, id)
    if not in_folder then
      redis.call('ZADD', KEYS[4], now + keep, id)
    end
  end
end
redis.call('HSET', KEYS[3], 'revision', revision)
-- Whoever has not seen such a mark by then reads everything again.
local gone = redis.call('ZRANGE', KEYS[4], '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
for _, id in ipairs(gone) do
  local seen = tonumber(redis.call('ZSCORE', KEYS[2], id))
  if seen > tonumber(redis.call('HGET', KEYS[3], 'forgotten') or '0') then
    redis.call('HSET', KEYS[3], 'forgotten', seen)
  end
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[4], id)
end
return {revision, revision - before}
