/** What a command may be: its names, sizes and times, and the topics on which it travels. */
import { type CommandRequest, FogError, type Json, nameProblem } from "@brume/core"
import { excerpt } from "../payload/mistakes.ts"

const root = "devices/"
/** Longest input and output, as JSON. Bytes. */
export const maxJsonBytes = 65_536
const maxCommandLength = 128
const maxKeyLength = 255
const maxDeadlineMs = 7 * 86_400_000
const defaultDeadlineMs = 10_000
const maxRetries = 10

/** A request with everything that was left out. */
export interface Terms {
  readonly device: string
  readonly command: string
  readonly input: Json
  readonly deadlineMs: number
  readonly retries: number
  readonly key: string | undefined
  readonly source: string
}

/** Throws `command_invalid`. */
export function termsOf(request: CommandRequest): Terms {
  const { device, command, input = null, idempotencyKey: key, source } = request
  const { deadlineMs = defaultDeadlineMs, retries = 0 } = request
  const why =
    deviceProblem(device) ??
    commandProblem(command) ??
    inputProblem(input) ??
    wholeProblem("deadline in ms", deadlineMs, 1, maxDeadlineMs) ??
    wholeProblem("number of retries", retries, 0, maxRetries) ??
    (key === undefined || (key.length > 0 && key.length <= maxKeyLength)
      ? undefined
      : `its key has not 1 to ${maxKeyLength} characters`)
  if (why === undefined) return { device, command, input, deadlineMs, retries, key, source }
  throw new FogError("command_invalid", {
    message: `The command ${excerpt(command, 80)} for ${excerpt(device, 120)} cannot be sent: ${why}`,
    hint: "docs/guide/commands.md says what commands may be.",
  })
}

/** Why a device cannot have commands and a twin; undefined when it can. */
export function deviceProblem(device: string): string | undefined {
  const problem = nameProblem(device)
  if (problem !== undefined) return `the device's name ${problem}`
  if (/[+#]/.test(device) || device.startsWith("$"))
    return "the device's name is no topic: it has +, # or a $ at its start"
  const taken = device.split("/").find((level) => level === "commands" || level === "replies")
  return taken === undefined ? undefined : `the device's name has the level ${taken}, which topics of commands have`
}

function commandProblem(command: string): string | undefined {
  const problem = nameProblem(command)
  if (problem !== undefined) return `its name ${problem}`
  if (command.length > maxCommandLength) return `its name is longer than ${maxCommandLength} characters`
  return /[/+#]/.test(command) ? "its name is not one level of a topic: it has /, + or #" : undefined
}

function inputProblem(input: Json): string | undefined {
  let text: string | undefined
  try {
    text = JSON.stringify(input)
  } catch {
    // Cycles and big integers.
  }
  if (text === undefined) return "its input is not JSON"
  return Buffer.byteLength(text) > maxJsonBytes ? `its input is larger than ${maxJsonBytes} bytes` : undefined
}

function wholeProblem(what: string, value: number, min: number, max: number): string | undefined {
  return Number.isSafeInteger(value) && value >= min && value <= max
    ? undefined
    : `its ${what} is not a whole number from ${min} to ${max}`
}

export function commandTopic(device: string, command: string): string {
  return `${root}${device}/commands/${command}`
}

export function replyTopic(device: string, id: string): string {
  return `${root}${device}/replies/${id}`
}

/** The device and the id in a topic of replies; without an id where the payload has it. */
export function parseReplyTopic(
  topic: string,
): { readonly device: string; readonly id: string | undefined } | undefined {
  const [, device, id] = /^devices\/(.+)\/replies(?:\/([^/]+))?$/s.exec(topic) ?? []
  return device === undefined ? undefined : { device, id }
}
