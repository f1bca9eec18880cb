-- Stores an artifact, unless its session is gone. It steers nobody until it is published.
-- KEYS: session, artifact, stored artifacts.  ARGV: version, artifact
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[1])
return 1
