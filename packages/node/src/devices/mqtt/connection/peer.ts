/** Addresses of peers. */

/** Whether an address, as a socket tells it, is of this machine. */
export function isLoopbackPeer(address: string): boolean {
  return address === "::1" || /^(::ffff:)?127\./.test(address)
}
