/**
 * Which addresses a webhook may reach. Who writes rules, or a host's DNS, must not get at what listens on this machine
 * or beside it: loopback, link-local (with the metadata services of clouds), private and shared networks, multicast, and
 * the IPv6 forms that carry such an IPv4 address are refused unless the configuration allows them.
 */
import { BlockList, isIP } from "node:net"

export interface AddressCheck {
  /** What is wrong with an address that a host resolved to, or undefined where it may be reached. */
  problem(address: string, host: string, port: number): string | undefined
}

const refusedNetworks: readonly (readonly [network: string, prefix: number, what: string])[] = [
  ["0.0.0.0", 8, "this machine"],
  ["10.0.0.0", 8, "a private address"],
  ["100.64.0.0", 10, "a carrier's shared address"],
  ["127.0.0.0", 8, "a loopback address"],
  ["169.254.0.0", 16, "a link-local address"],
  ["172.16.0.0", 12, "a private address"],
  ["192.0.0.0", 24, "a reserved address"],
  ["192.0.2.0", 24, "a documentation address"],
  ["192.88.99.0", 24, "a reserved address"],
  ["192.168.0.0", 16, "a private address"],
  ["198.18.0.0", 15, "a benchmarking address"],
  ["198.51.100.0", 24, "a documentation address"],
  ["203.0.113.0", 24, "a documentation address"],
  ["224.0.0.0", 4, "a multicast address"],
  ["240.0.0.0", 4, "a reserved address"],
  ["::", 96, "this machine, or a reserved address"],
  ["64:ff9b:1::", 48, "a private address"],
  ["100::", 64, "a discard address"],
  ["2001::", 23, "a reserved address"],
  ["2001:db8::", 32, "a documentation address"],
  ["3fff::", 20, "a documentation address"],
  ["5f00::", 16, "a reserved address"],
  ["fc00::", 7, "a private address"],
  ["fe80::", 10, "a link-local address"],
  ["fec0::", 10, "a private address"],
  ["ff00::", 8, "a multicast address"],
]

const refused = refusedNetworks.map(([network, prefix, what]) => {
  const list = new BlockList()
  list.addSubnet(network, prefix, familyOf(network))
  return { list, what, family: familyOf(network) }
})

/** Entries as {@link parseAllowed} takes them; a malformed one allows nothing. */
export function createAddressCheck(allow: readonly string[]): AddressCheck {
  const allowed = allow.map(parseAllowed).filter((entry) => entry !== undefined)
  return {
    problem(address, host, port) {
      const plain = plainAddress(address)
      const family = familyOf(plain)
      const reason = refused.find((network) => network.family === family && network.list.check(plain, family))
      if (reason === undefined) return undefined
      const isAllowed = allowed.some(
        (entry) => (entry.port === undefined || entry.port === port) && entry.isMeant(host, plain, family),
      )
      return isAllowed ? undefined : reason.what
    },
  }
}

export interface Allowed {
  readonly port: number | undefined
  readonly isMeant: (host: string, address: string, family: "ipv4" | "ipv6") => boolean
}

/** `host`, `address` or `network/prefix`, with `:port` behind it where only one is meant; IPv6 with a port in brackets. */
export function parseAllowed(text: string): Allowed | undefined {
  const match = /^(?:\[(?<bracketed>[^\]]+)\]|(?<plain>[^[\]:]+)|(?<bare>[^[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)
  const groups = match?.groups
  const name = groups?.bracketed ?? groups?.plain ?? groups?.bare
  if (name === undefined) return undefined
  const port = groups?.port === undefined ? undefined : Number(groups.port)
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  const [network = "", prefix, ...more] = name.split("/")
  if (isIP(network) !== 0) {
    const family = familyOf(network)
    const longest = family === "ipv4" ? 32 : 128
    const length = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1
    if (more.length > 0 || length < 0 || length > longest) return undefined
    const list = new BlockList()
    list.addSubnet(network, length, family)
    return { port, isMeant: (_host, address, own) => own === family && list.check(address, own) }
  }
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(name)) return undefined
  const wanted = name.toLowerCase()
  return { port, isMeant: (host) => host.toLowerCase() === wanted }
}

/** An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4) as that one; no zone. */
function plainAddress(address: string): string {
  const [bare = ""] = address.split("%")
  if (isIP(bare) !== 6) return bare
  const groups = groupsOf(bare)
  const starts = (...head: number[]) => head.every((group, index) => groups[index] === group)
  if (starts(0, 0, 0, 0, 0, 0xffff) || starts(0x64, 0xff9b, 0, 0, 0, 0)) return dotted(groups[6]!, groups[7]!)
  if (starts(0x2002)) return dotted(groups[1]!, groups[2]!)
  return bare
}

function groupsOf(address: string): number[] {
  const text = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(":"),
  )
  const [head = "", tail] = text.split("::")
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)))
  const front = numbers(head)
  if (tail === undefined) return front
  const back = numbers(tail)
  return [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back]
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".")
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4"
}
