/** Where packets are written. */
export interface Output {
  /** Read it anew after {@link reserve}: it may be another one. */
  bytes: Buffer
  /** Where the next byte goes; whoever writes moves it. */
  at: number
  /** Makes room: afterwards so many bytes may be written at `at`. */
  reserve(count: number): void
}
