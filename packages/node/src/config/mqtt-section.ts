/** The section `mqtt`: where the front listens, who may come unnamed, and its written limits. */
import { bridges } from "./bridge-schema.ts"
import { address, duration, file, flag, optional, section, size, whole } from "./key.ts"

const day = 86_400_000

const tls = section("MQTT over TLS. Changed files are read again without a restart.", {
  listen: optional(
    address({ meaning: "Where the node listens for MQTT over TLS; the usual port is 8883.", example: "0.0.0.0:8883" }),
    { meaning: "no listener", example: "0.0.0.0:8883" },
  ),
  certificateFile: optional(
    file({ meaning: "The listener's certificate in PEM, with the chain behind it; needs `mqtt.tls.keyFile`." }),
    { meaning: "the node makes one of its own in `tls/` of the data folder", example: "/etc/brume/mqtt.crt" },
  ),
  keyFile: optional(file({ meaning: "The certificate's private key in PEM, without a passphrase." }), {
    meaning: "the node's own",
    example: "/etc/brume/mqtt.key",
  }),
  clientAuthorityFile: optional(
    file({
      meaning:
        "Certificates in PEM of the authorities whose clients may sign in by a certificate of their own; the listener then asks each client for one.",
    }),
    { meaning: "client certificates are not asked for", example: "/etc/brume/clients.crt" },
  ),
})

export const mqtt = section("MQTT 3.1.1 and 5.0. Without `listen` and `tls.listen` the node listens for no MQTT.", {
  listen: optional(
    address({
      meaning:
        "Where the node listens for MQTT without TLS; the usual port is 1883. Beyond loopback it shows passwords and readings to the network.",
      example: "127.0.0.1:1883",
    }),
    { meaning: "no listener", example: "127.0.0.1:1883" },
  ),
  allowAnonymous: flag({
    meaning:
      "Lets programs on this machine connect without a name and a password, and publish and subscribe everything. Refused together with a listener beyond loopback.",
    default: "false",
  }),
  tls,
  maxConnections: whole({ meaning: "Most open connections.", default: "20000", min: 1, max: 1_000_000 }),
  maxConnectionsPerAddress: optional(
    whole({ meaning: "Most open connections from one address.", min: 1, max: 1_000_000 }),
    { meaning: "no limit", example: "100" },
  ),
  connectTimeoutMs: duration({
    meaning: "Longest time from an accepted connection to its CONNECT packet.",
    default: "10s",
    min: 100,
    max: 600_000,
  }),
  maxKeepAliveS: whole({
    meaning: "Longest keep-alive in seconds; who asks for more, or for none, is told this one (MQTT 5.0).",
    default: "65535",
    min: 1,
    max: 65_535,
  }),
  maxPacketBytes: size({
    meaning: "Largest packet that is taken or sent.",
    default: "1MiB",
    min: 256,
    max: 256 * 2 ** 20,
  }),
  receiveMaximum: whole({
    meaning: "Most QoS 1 and 2 messages of one client that the node works on at once.",
    default: "1000",
    min: 1,
    max: 65_535,
  }),
  maxInflight: whole({
    meaning: "Most QoS 1 and 2 messages that one client may have unacknowledged; it may ask for fewer.",
    default: "1000",
    min: 1,
    max: 65_535,
  }),
  maxPublishesPerSecond: whole({
    meaning:
      "Messages per second that are read from one client; what comes faster waits in its connection. 0 is no limit.",
    default: "0",
    min: 0,
    max: 1_000_000,
  }),
  maxTopicBytes: size({ meaning: "Longest topic or filter.", default: "1KiB", min: 16, max: 65_535 }),
  maxTopicLevels: whole({ meaning: "Most levels of a topic or filter.", default: "128", min: 1, max: 1_024 }),
  maxSubscriptionsPerClient: whole({
    meaning: "Most subscriptions of one client.",
    default: "1000",
    min: 1,
    max: 100_000,
  }),
  maxSessionExpiryMs: duration({
    meaning: "Longest time for which the session of a client that is away is kept.",
    default: "30d",
    min: 0,
    max: 3_650 * day,
  }),
  maxQueuedMessages: whole({
    meaning:
      "Messages that wait for one client; what comes beyond them is dropped for that client, counted and logged.",
    default: "100000",
    min: 1,
    max: 10_000_000,
  }),
  maxQueuedBytes: size({
    meaning: "Bytes of messages that wait for one client.",
    default: "16MiB",
    min: 1_024,
    max: 2 ** 40,
  }),
  maxQueuedBytesTotal: size({
    meaning: "Bytes of messages that wait for all clients together.",
    default: "256MiB",
    min: 1_024,
    max: 2 ** 40,
  }),
  maxRetainedMessages: whole({ meaning: "Most retained messages.", default: "100000", min: 0, max: 10_000_000 }),
  maxRetainedBytes: size({ meaning: "Bytes of all retained messages.", default: "64MiB", min: 0, max: 2 ** 40 }),
  bridges,
})
