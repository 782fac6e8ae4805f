/** A transport that carries MQTT's bytes: TCP, TLS or WebSocket. */

export interface Link {
  /** Without a port. */
  readonly peerAddress: string
  readonly isLoopback: boolean
  /** `tcp`, `tls` or `websocket`. */
  readonly transport: string
  /** What a verified client certificate says. */
  readonly certificate: LinkCertificate | undefined
  /** Bytes that the system has not taken yet. */
  readonly bufferedBytes: number
  /** Returns true when the bytes are taken, so that their memory may be used again. */
  write(bytes: Buffer): boolean
  /** Stops reading. */
  pause(): void
  resume(): void
  /** Closes when everything written is sent, or after a moment. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

export interface LinkCertificate {
  readonly name: string
  /** SHA-256 in hex. */
  readonly fingerprint: string
}

export interface LinkEvents {
  received(bytes: Buffer): void
  /** What was buffered is sent. */
  drained(): void
  /** Nothing comes any more. Called once. */
  closed(): void
}
