-- The items whose newest change is after one revision, and not after the other, in the order of their changes.
-- KEYS: items, changes.  ARGV: after, to, how many at most.
-- Returns how many were found, the revision of the last, and those that are there: for each the lengths of its
-- id and its record, four bytes each, little-endian, and these. One reply, as a client takes long over hundreds.
local found = redis.call(
  'ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', '0', ARGV[3]
)
local parts = {}
for i = 1, #found, 2 do
  local record = redis.call('HGET', KEYS[1], found[i])
  if record then
    parts[#parts + 1] = struct.pack('<I4I4', #found[i], #record) .. found[i] .. record
  end
end
return {#found / 2, found[#found] or '0', table.concat(parts)}
