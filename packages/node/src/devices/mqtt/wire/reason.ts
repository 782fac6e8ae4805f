/** Reason codes of MQTT 5.0 (section 2.4) by name, and what 3.1.1 says in their place. Inside Brume there are only these. */
export const reason = {
  success: 0x00,
  grantedQos1: 0x01,
  grantedQos2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reauthenticate: 0x19,
  unspecifiedError: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecificError: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdentifierNotValid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdentifierInUse: 0x91,
  packetIdentifierNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedSubscriptionsNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdentifiersNotSupported: 0xa1,
  wildcardSubscriptionsNotSupported: 0xa2,
} as const

/** Why a packet is refused. Constants, so that refusing costs nothing. */
export interface Refusal {
  readonly reason: number
  /** For the log and for the reason string: what is wrong, without the client's own bytes. */
  readonly why: string
}

export const malformed = (why: string): Refusal => ({ reason: reason.malformedPacket, why })
export const protocolError = (why: string): Refusal => ({ reason: reason.protocolError, why })

/** CONNACK return codes of 3.1.1 (table 3.1). What it cannot say is "server unavailable", so that the client comes back. */
export function connackReturnCode(code: number): number {
  switch (code) {
    case reason.success:
      return 0
    case reason.unsupportedProtocolVersion:
      return 1
    case reason.clientIdentifierNotValid:
      return 2
    case reason.badUserNameOrPassword:
    case reason.badAuthenticationMethod:
      return 4
    case reason.notAuthorized:
    case reason.banned:
      return 5
    default:
      return 3
  }
}

const publishReasons: ReadonlySet<number> = new Set([
  reason.success,
  reason.noMatchingSubscribers,
  reason.unspecifiedError,
  reason.implementationSpecificError,
  reason.notAuthorized,
  reason.topicNameInvalid,
  reason.packetIdentifierInUse,
  reason.quotaExceeded,
  reason.payloadFormatInvalid,
])
const releaseReasons: ReadonlySet<number> = new Set([reason.success, reason.packetIdentifierNotFound])

/** Whether a PUBACK or PUBREC may carry this reason. (tables 3-4, 3-5) */
export const isPublishReason = (code: number): boolean => publishReasons.has(code)
/** Whether a PUBREL or PUBCOMP may carry this reason. (tables 3-6, 3-7) */
export const isReleaseReason = (code: number): boolean => releaseReasons.has(code)

const disconnectReasons: ReadonlySet<number> = new Set([
  reason.success,
  reason.disconnectWithWill,
  reason.unspecifiedError,
  reason.malformedPacket,
  reason.protocolError,
  reason.implementationSpecificError,
  reason.topicNameInvalid,
  reason.receiveMaximumExceeded,
  reason.topicAliasInvalid,
  reason.packetTooLarge,
  reason.messageRateTooHigh,
  reason.quotaExceeded,
  reason.administrativeAction,
  reason.payloadFormatInvalid,
])
/** Whether a client may disconnect with this reason. (table 3-13) */
export const isClientDisconnectReason = (code: number): boolean => disconnectReasons.has(code)
