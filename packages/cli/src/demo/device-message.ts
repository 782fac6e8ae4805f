/** What a device of the demo says over MQTT, as whom, and what the node takes it for. */
import type { NewReading } from "@brume/sdk"
import type { Acted } from "./orders.ts"

export interface MqttDevicesOptions {
  readonly mqttUrl: string
  readonly token: string
  /** In the order of the site. */
  readonly names: readonly string[]
  readonly tell: (line: string) => void
  /** What a device does when it is told to. */
  readonly act: (device: string, command: string, input: unknown) => Acted
}

export interface DeviceMessage {
  readonly topic: string
  readonly payload: string
  readonly retain: boolean
}

/** A token is known by itself; the name is for people. */
export const demoUsername = "demo"
/** The topic names device and property; the payload has the value and when it was measured. */
export function messageOf({ device, property, value, time }: NewReading): DeviceMessage {
  const payload = JSON.stringify({ value, time: new Date(Number(time)).toISOString() })
  return { topic: `devices/${device}/${property}`, payload, retain: typeof value !== "number" }
}

export const commandsOf = (device: string): string => `devices/${device}/commands/+`

/** Carries out what came on a topic of commands; the answer goes where the command wants it. */
export function answerTo(
  { topic, payload }: { readonly topic: string; readonly payload: string },
  act: MqttDevicesOptions["act"],
): DeviceMessage | undefined {
  const [, device] = /^devices\/(.+)\/commands\/[^/]+$/.exec(topic) ?? []
  if (device === undefined) return undefined
  const { command, input, reply } = JSON.parse(payload) as { command: string; input: unknown; reply: string }
  return { topic: reply, payload: JSON.stringify(act(device, command, input)), retain: false }
}

interface Unit {
  readonly property: string
  readonly unit: string
}

const units: readonly Unit[] = [
  { property: "temperature", unit: "°C" },
  { property: "humidity", unit: "%" },
  { property: "power", unit: "W" },
  { property: "day/coldest", unit: "°C" },
  { property: "day/warmest", unit: "°C" },
  { property: "day/precipitation", unit: "mm" },
  { property: "day/wind", unit: "m/s" },
]

/** `devices.mappings` of the demo: the topics are as without configuration, and each number gets its unit as a tag. */
export const demoMappings = JSON.stringify(
  units.map(({ property, unit }) => ({
    name: property.replace("/", "-"),
    topic: `devices/{place}/{room}/${property}`,
    device: "{place}/{room}",
    property,
    tags: { unit },
  })),
)
