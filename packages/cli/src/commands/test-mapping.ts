/** `brume test-mapping`: what a node with this configuration would make of an MQTT message. */
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { resolve } from "node:path"
import { resolveConfig, type Trial, type TrialReading, tryMapping } from "@brume/node"
import { usageError } from "../failure.ts"
import { Table } from "../table.ts"
import type { Terminal } from "../terminal.ts"
import { microsText, plural } from "../times.ts"
import { valueText } from "./get.ts"

export interface TestMappingFlags {
  readonly topic: string
  readonly payload?: string
  readonly file?: string
  readonly contentType?: string
  readonly config?: string
  readonly json?: boolean
}

/** The exit code for a message that gives no reading: as for one that a node does not accept. */
const noReading = 7

export async function testMapping(_none: readonly [], flags: TestMappingFlags, terminal: Terminal): Promise<number> {
  const payload = await payloadOf(flags, terminal)
  const { environment, folder } = terminal
  const { config } = await resolveConfig(
    // A mapping needs no data folder, but the configuration does.
    { flags: [{ flag: "--data", key: "store.path", value: folder }], file: flags.config },
    { environment, workingFolder: folder, hostName: hostname(), readFile },
  )
  const { mappings, maxReadingsPerRequest, maxTextLength } = config.devices
  const trial = tryMapping({
    mappings,
    topic: flags.topic,
    payload,
    contentType: flags.contentType,
    receivedUs: Date.now() * 1_000,
    limits: { readings: maxReadingsPerRequest, textLength: maxTextLength, jsonLength: maxTextLength },
  })
  await (flags.json === true ? writeJson(trial, terminal) : writeTrial(trial, terminal))
  return trial.readings.length > 0 ? 0 : noReading
}

async function payloadOf({ payload, file }: TestMappingFlags, { folder, input }: Terminal): Promise<Uint8Array> {
  if ((payload === undefined) === (file === undefined))
    throw usageError("The payload is missing or given twice", "Give --payload or --file; --file - reads stdin.")
  if (payload !== undefined) return Buffer.from(payload)
  if (file === "-") {
    const pieces: Uint8Array[] = []
    for await (const piece of input) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  const path = resolve(folder, file!)
  try {
    return await readFile(path)
  } catch (cause) {
    throw usageError(`Cannot read ${path}: ${(cause as Error).message}`, "Correct --file.")
  }
}

async function writeJson({ mapping, reason, readings }: Trial, { out }: Terminal): Promise<void> {
  const shown = readings.map((reading) => ({ ...reading, time: microsText(reading.time) }))
  await out.write(`${JSON.stringify({ mapping: mapping ?? null, reason: reason ?? null, readings: shown })}\n`)
}

async function writeTrial({ mapping, reason, readings }: Trial, { out }: Terminal): Promise<void> {
  const by = mapping === undefined ? "" : `The mapping ${mapping} takes it: `
  if (reason !== undefined) {
    await out.write(`${by === "" ? "" : `${by}no reading.\n`}${reason}.\n`)
    return
  }
  await out.write(`${by}${plural(readings.length, "reading")}.\n\n`)
  const columns = [
    { title: "DEVICE", isFlexible: true },
    { title: "PROPERTY" },
    { title: "KIND" },
    { title: "VALUE", isFlexible: true },
    { title: "TIME" },
    { title: "TAGS", isFlexible: true },
  ]
  await new Table(columns, out).write(
    readings.map((reading) => [
      reading.device,
      reading.property,
      kindOf(reading),
      valueText(reading),
      microsText(reading.time),
      reading.tags === "{}" ? "" : reading.tags,
    ]),
  )
}

function kindOf({ value, text }: TrialReading): string {
  if (value !== null) return "number"
  return text === null ? "json" : "text"
}
