"""The Lua scripts of the Redis store: each decides and acts on one key at once, by the server's clock.

Times are milliseconds. A live session has the fields `created`, `seen` and `deadline`; a tombstone has
`terminated` alone. Answers are `MISSING`, `LIVE` or `ENDED`.
"""

from typing import Final

from vmcp_proxy.sessions.store import Presence

PRESENCE: Final = {0: Presence.MISSING, 1: Presence.LIVE, 2: Presence.ENDED}

_NOW: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local key = KEYS[1]
local function text(number) return string.format('%.0f', number) end
local function bury(left)
  redis.call('DEL', key)
  if left > 0 then
    redis.call('HSET', key, 'terminated', '1')
    redis.call('PEXPIRE', key, text(left))
  end
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
"""

CREATE: Final = (
    _NOW
    + """
-- ARGV: age, idle, left, keep, then fields and values
if redis.call('HEXISTS', key, 'terminated') == 1 then return 2 end
if redis.call('EXISTS', key) == 1 then return 1 end
local left = tonumber(ARGV[3])
redis.call('HSET', key, 'created', text(now - ARGV[1]), 'seen', text(now - ARGV[2]),
           'deadline', text(now + left), unpack(ARGV, 5))
redis.call('PEXPIRE', key, text(math.max(1, math.min(ARGV[4] - ARGV[2], left))))
return 1
"""
)

LOAD: Final = (
    _NOW
    + """
return {now, redis.call('HGETALL', key)}
"""
)

TOUCH: Final = (
    _NOW
    + """
-- ARGV: idle, keep
local held = redis.call('HMGET', key, 'terminated', 'seen', 'deadline')
if held[1] then return 2 end
if not held[2] or not held[3] then return 0 end
local seen = math.max(tonumber(held[2]), now - ARGV[1])
redis.call('HSET', key, 'seen', text(seen))
redis.call('PEXPIRE', key, text(math.max(1, math.min(seen + ARGV[2] - now, held[3] - now))))
return 1
"""
)

END: Final = (
    _NOW
    + """
-- ARGV: channel, digest, left
bury(tonumber(ARGV[3]))
return 2
"""
)

END_IDLE: Final = (
    _NOW
    + """
-- ARGV: channel, digest, left, max idle
local held = redis.call('HMGET', key, 'terminated', 'seen')
if held[1] then return 2 end
if not held[2] then return 0 end
if now - held[2] <= tonumber(ARGV[4]) then return 1 end
bury(tonumber(ARGV[3]))
return 2
"""
)

PUT_FIELD: Final = (
    _NOW
    + """
-- ARGV: field, value
if redis.call('HEXISTS', key, 'seen') == 0 then return 0 end
redis.call('HSET', key, ARGV[1], ARGV[2])
return 1
"""
)

SWAP_FIELD: Final = (
    _NOW
    + """
-- ARGV: field, value
local former = redis.call('HMGET', key, 'seen', ARGV[1])
if former[1] then redis.call('HSET', key, ARGV[1], ARGV[2]) end
return former[2]
"""
)

CLAIM_FIELD: Final = (
    _NOW
    + """
-- ARGV: field, the value that it gets unless it has another one
local held = redis.call('HMGET', key, 'seen', ARGV[1])
if held[2] and held[2] ~= ARGV[2] then return 0 end
if held[1] then redis.call('HSET', key, ARGV[1], ARGV[2]) end
return 1
"""
)

CLEAR_FIELD: Final = """
-- ARGV: field, the value that it must have to go
if redis.call('HMGET', KEYS[1], ARGV[1])[1] == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""

GET_FIELD: Final = """
-- ARGV: field
return redis.call('HMGET', KEYS[1], ARGV[1])[1]
"""

PUBLISH: Final = """
-- KEYS: the channel, so that a cluster's client goes to the node where it has the subscriber of that channel too
return redis.call('PUBLISH', KEYS[1], ARGV[1])
"""
