"""The Lua scripts of the Redis store: each decides and acts on one key at once, by the server's clock.

Times are milliseconds. A live session has the fields `created`, `seen` and `deadline`; a tombstone has
`terminated` alone. Answers are `MISSING`, `LIVE` or `ENDED`.

What somebody else put in the place of a session (a key of another type, times that are no numbers) counts as
missing: an error would fail a whole batch, and look like a Redis that is away.
"""

from typing import Final

from vmcp_proxy.redis_client.script import Script
from vmcp_proxy.sessions.store.protocol import Presence

PRESENCE: Final = {0: Presence.MISSING, 1: Presence.LIVE, 2: Presence.ENDED}

_READ: Final = """
local function read(command, ...)
  local values = redis.pcall(command, KEYS[1], ...)
  if not values.err then return values end
  if string.find(values.err, 'WRONGTYPE', 1, true) then return {} end
  return redis.call(command, KEYS[1], ...)
end
"""

_NOW: Final = (
    _READ
    + """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local key = KEYS[1]
local function text(number) return string.format('%.0f', number) end
local function time(value)
  local number = tonumber(value)
  return number and math.abs(number) < 1e15 and number or nil
end
local function bury(left)
  redis.call('DEL', key)
  if left > 0 then
    redis.call('HSET', key, 'terminated', '1')
    redis.call('PEXPIRE', key, text(left))
  end
  redis.call('PUBLISH', ARGV[1], ARGV[2])
end
"""
)

CREATE: Final = Script(
    _NOW
    + """
-- ARGV: age, idle, left, keep, then fields and values
local held = read('HMGET', 'terminated', 'seen', 'deadline')
if held[1] then return 2 end
if time(held[2]) and time(held[3]) then return 1 end
redis.call('DEL', key)
local left = tonumber(ARGV[3])
redis.call('HSET', key, 'created', text(now - ARGV[1]), 'seen', text(now - ARGV[2]),
           'deadline', text(now + left), unpack(ARGV, 5))
redis.call('PEXPIRE', key, text(math.max(1, math.min(ARGV[4] - ARGV[2], left))))
return 1
"""
)

LOAD: Final = Script(
    _NOW
    + """
return {now, read('HGETALL')}
"""
)

TOUCH: Final = Script(
    _NOW
    + """
-- ARGV: idle, keep
local held = read('HMGET', 'terminated', 'seen', 'deadline')
if held[1] then return 2 end
local seen, deadline = time(held[2]), time(held[3])
if not seen or not deadline then return 0 end
seen = math.max(seen, now - ARGV[1])
redis.call('HSET', key, 'seen', text(seen))
redis.call('PEXPIRE', key, text(math.max(1, math.min(seen + ARGV[2] - now, deadline - now))))
return 1
"""
)

END: Final = Script(
    _NOW
    + """
-- ARGV: channel, digest, left
bury(tonumber(ARGV[3]))
return 2
"""
)

END_IDLE: Final = Script(
    _NOW
    + """
-- ARGV: channel, digest, left, max idle
local held = read('HMGET', 'terminated', 'seen')
if held[1] then return 2 end
local seen = time(held[2])
if not seen then return 0 end
if now - seen <= tonumber(ARGV[4]) then return 1 end
bury(tonumber(ARGV[3]))
return 2
"""
)

PUT_FIELD: Final = Script(
    _READ
    + """
-- ARGV: field, value
if not read('HMGET', 'seen')[1] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
)

SWAP_FIELD: Final = Script(
    _READ
    + """
-- ARGV: field, value
local former = read('HMGET', 'seen', ARGV[1])
if former[1] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return former[2]
"""
)

CLAIM_FIELD: Final = Script(
    _READ
    + """
-- ARGV: field, the value that it gets unless it has another one
local held = read('HMGET', 'seen', ARGV[1])
if held[2] and held[2] ~= ARGV[2] then return 0 end
if held[1] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return 1
"""
)

CLEAR_FIELD: Final = Script(
    _READ
    + """
-- ARGV: field, the value that it must have to go
if read('HMGET', ARGV[1])[1] == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
"""
)

GET_FIELD: Final = Script(
    _READ
    + """
-- ARGV: field
return read('HMGET', ARGV[1])[1]
"""
)

PUBLISH: Final = Script(
    """
-- KEYS: the channel, so that a cluster's client goes to the node where it has the subscriber of that channel too
return redis.call('PUBLISH', KEYS[1], ARGV[1])
"""
)
