"""The Lua script of the buckets in Redis: `vmcp_proxy.limits.bucket.take` for many requests, by the server's clock."""

from typing import Final

from vmcp_proxy.redis_client.script import Script

TAKE: Final = Script(
    """
-- KEYS: the buckets of all requests, one after the other
-- ARGV: for each request how many they are, then for each of them its tokens and its period
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function text(number) return string.format('%.0f', number) end
local function held(key)
  -- What somebody else put in the place of a bucket counts as none.
  local found = redis.pcall('HMGET', key, 'level', 'at')
  if found.err then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return redis.call('HMGET', key, 'level', 'at') end
    redis.call('DEL', key)
    return nil
  end
  local level, at = tonumber(found[1]), tonumber(found[2])
  if level and at and level >= 0 and level < 9e15 and math.abs(at) < 9e15 then return level, at end
end
local function save(bucket, level)
  redis.call('HSET', bucket.key, 'level', text(level), 'at', text(now))
  local lasts = math.ceil((bucket.tokens * bucket.period - level) / bucket.tokens)
  redis.call('PEXPIRE', bucket.key, text(math.max(1, lasts)))
end
local waits, key, arg = {}, 0, 1
while arg <= #ARGV do
  local buckets, lacks = {}, false
  for i = 1, tonumber(ARGV[arg]) do
    key = key + 1
    local bucket = {key = KEYS[key], tokens = tonumber(ARGV[arg + 1]), period = tonumber(ARGV[arg + 2])}
    arg = arg + 2
    local full = bucket.tokens * bucket.period
    local level, at = held(bucket.key)
    if level then
      local elapsed = math.min(math.max(0, now - at), bucket.period)
      bucket.level = math.min(full, level + elapsed * bucket.tokens)
      bucket.ahead = at > now
    else
      bucket.level = full
    end
    local wait = math.max(0, math.ceil((bucket.period - bucket.level) / bucket.tokens))
    lacks = lacks or wait > 0
    waits[#waits + 1] = wait
    buckets[i] = bucket
  end
  arg = arg + 1
  for _, bucket in ipairs(buckets) do
    if not lacks then
      save(bucket, bucket.level - bucket.period)
    elseif bucket.ahead then
      save(bucket, bucket.level)
    end
  end
end
return waits
"""
)
