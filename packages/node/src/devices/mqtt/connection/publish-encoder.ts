/**
 * PUBLISH packets of one message, made once for all who get it. Whoever is the first writes it himself: most messages
 * have one subscriber, for whom a packet that can be copied would be made in vain.
 */
import type { Clock } from "@brume/core"
import type { Message, Qos } from "../message.ts"
import type { ProtocolVersion } from "../wire/packet-type.ts"
import {
  createPublishTemplate,
  encodePublish,
  type OutgoingMessage,
  type PublishTemplate,
} from "../wire/publish-writer.ts"

/** Remembers the last message: those who get it follow one another. */
export class PublishEncoder {
  readonly #clock: Clock
  #message: Message | undefined
  #outgoing: OutgoingMessage | undefined
  /** By form; null when one subscriber has got it. */
  readonly #whole: (Buffer | null | undefined)[] = []
  readonly #templates: (PublishTemplate | null | undefined)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  outgoing(message: Message): OutgoingMessage {
    if (this.#message !== message || this.#outgoing === undefined) {
      this.#message = message
      this.#outgoing = { topic: Buffer.from(message.topic), payload: message.payload, properties: message.properties }
      this.#whole.length = 0
      this.#templates.length = 0
    }
    return this.#outgoing
  }

  /** At QoS 0; undefined for the first subscriber. */
  whole(message: Message, version: ProtocolVersion, isRetained: boolean): Buffer | undefined {
    const outgoing = this.outgoing(message)
    const place = (version === 5 ? 2 : 0) + (isRetained ? 1 : 0)
    let bytes = this.#whole[place]
    if (bytes === undefined) {
      this.#whole[place] = null
      return undefined
    }
    if (bytes === null) {
      bytes = encodePublish(outgoing, { version, qos: 0, isRetained, messageExpirySeconds: this.expiryOf(message) })
      this.#whole[place] = bytes
    }
    return bytes
  }

  /** At QoS 1 and 2; undefined for the first subscriber. */
  template(
    message: Message,
    version: ProtocolVersion,
    qos: Exclude<Qos, 0>,
    isRetained: boolean,
  ): PublishTemplate | undefined {
    const outgoing = this.outgoing(message)
    const place = (version === 5 ? 4 : 0) + (qos === 2 ? 2 : 0) + (isRetained ? 1 : 0)
    let template = this.#templates[place]
    if (template === undefined) {
      this.#templates[place] = null
      return undefined
    }
    if (template === null) {
      const messageExpirySeconds = this.expiryOf(message)
      template = createPublishTemplate(outgoing, { version, qos, isRetained, messageExpirySeconds })
      this.#templates[place] = template
    }
    return template
  }

  /** What is left of a message's time in whole seconds; -1 where it has no limit. [MQTT-3.3.2-6] */
  expiryOf({ expiresAt }: Message): number {
    return expiresAt === undefined ? -1 : Math.max(0, Math.ceil((expiresAt - this.#clock.now()) / 1_000_000))
  }
}
