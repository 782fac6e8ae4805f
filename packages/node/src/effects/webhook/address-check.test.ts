import { expect, test } from "vitest"
import { createAddressCheck, parseAllowed } from "./address-check.ts"

const none = createAddressCheck([])

test.each([
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["0.0.0.0", "this machine"],
  ["10.1.2.3", "private"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "shared"],
  ["169.254.169.254", "link-local"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "reserved"],
  ["::", "this machine"],
  ["::1", "this machine"],
  ["::127.0.0.1", "this machine"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:a00:1", "private"],
  ["0:0:0:0:0:ffff:c0a8:101", "private"],
  ["64:ff9b::7f00:1", "loopback"],
  ["64:ff9b::10.0.0.1", "private"],
  ["2002:a00:1::", "private"],
  ["2002:7f00:1::1", "loopback"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "link-local"],
  ["fd00::1", "private"],
  ["fec0::1", "private"],
  ["ff02::1", "multicast"],
  ["2001::1", "reserved"],
])("%s is refused: %s", (address, what) => {
  expect(none.problem(address, "h", 443)).toContain(what)
})

test.each([
  "1.1.1.1",
  "172.15.255.255",
  "172.32.0.1",
  "169.253.255.255",
  "100.128.0.1",
  "2606:4700:4700::1111",
  "::ffff:1.1.1.1",
  "64:ff9b::1.1.1.1",
  "2002:101:101::",
])("%s is public", (address) => {
  expect(none.problem(address, "h", 443)).toBeUndefined()
})

test.each([
  [["127.0.0.1"], "127.0.0.1", "h", 80, true],
  [["127.0.0.1"], "127.0.0.2", "h", 80, false],
  [["127.0.0.1:8080"], "127.0.0.1", "h", 8080, true],
  [["127.0.0.1:8080"], "127.0.0.1", "h", 80, false],
  [["10.0.0.0/8"], "10.9.9.9", "h", 80, true],
  [["10.0.0.0/8"], "192.168.0.1", "h", 80, false],
  [["10.0.0.0/8:80"], "10.9.9.9", "h", 81, false],
  [["chat.lan"], "192.168.0.1", "CHAT.lan", 80, true],
  [["chat.lan"], "192.168.0.1", "evil-chat.lan", 80, false],
  [["chat.lan:443"], "192.168.0.1", "chat.lan", 80, false],
  [["::1"], "::1", "h", 80, true],
  [["[fd00::/8]:443"], "fd12::1", "h", 443, true],
  [["[fd00::/8]:443"], "fd12::1", "h", 80, false],
  [["127.0.0.0/8"], "::ffff:127.0.0.1", "h", 80, true],
  [["0.0.0.0/0"], "::1", "h", 80, false],
] as const)("allowing %j lets %s of %s:%i through: %s", (allow, address, host, port, isAllowed) => {
  expect(createAddressCheck(allow).problem(address, host, port) === undefined).toBe(isAllowed)
})

test.each([
  "",
  "10.0.0.0/33",
  "10.0.0.0/x",
  "a/8",
  "::1/129",
  "-a",
  "a b",
  "h:0",
  "h:70000",
  "http://x",
  "*",
  "1.2.3.4/8/8",
])("%j allows nothing", (text) => {
  expect(parseAllowed(text)).toBeUndefined()
})
