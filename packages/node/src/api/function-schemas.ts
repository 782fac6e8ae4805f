/** JSON shapes of functions and secrets. */
import { functionLogLevels, functionRuntimes } from "@brume/core"

const time = { type: "string", format: "date-time", description: "ISO 8601 in UTC with microseconds." } as const

const specExample = {
  runtime: "typescript",
  entry: "main.ts",
  triggers: [{ topic: "cold/+/temperature" }],
  limits: { timeMs: 30000, memoryMiB: 128, outputBytes: 1048576, concurrency: 16, instances: 1 },
  secrets: [],
  network: false,
  retries: 2,
}

export const functionExample = {
  name: "cold-chain",
  state: "ready",
  sandbox: "bubblewrap",
  version: 2,
  versions: [
    {
      version: 2,
      created: "2025-01-01T00:00:00.000000Z",
      bundle: "5f0c6b1d2e3a49585f0c6b1d2e3a49585f0c6b1d2e3a49585f0c6b1d2e3a4958",
      bytes: 1024,
      spec: specExample,
    },
  ],
  waiting: 0,
  calls: 10,
  failed: 0,
  deadLetters: 0,
  dropped: 0,
  failures: [],
}

const functionInfo = {
  $id: "Function",
  type: "object",
  description: "A function that is deployed.",
  required: Object.keys(functionExample).filter((name) => name !== "sandbox"),
  properties: {
    name: { type: "string" },
    state: {
      type: "string",
      enum: ["loading", "ready", "parked", "failed"],
      description: "`parked`: it crashed too often; `failed`: it cannot be started.",
    },
    reason: { type: "string", description: "Why it is not ready." },
    sandbox: { type: "string", description: "What keeps it apart from the machine; missing where nothing does." },
    version: { type: "integer", description: "The one in force." },
    versions: {
      type: "array",
      description: "Those that can be rolled back to, oldest first.",
      items: {
        type: "object",
        required: ["version", "created", "bundle", "bytes", "spec"],
        properties: {
          version: { type: "integer" },
          created: time,
          bundle: { type: "string", description: "SHA-256 of its code." },
          bytes: { type: "integer" },
          spec: { type: "object", description: "As brume.yaml has it, with all defaults." },
        },
      },
    },
    waiting: { type: "integer", description: "Events that wait for it." },
    calls: { type: "integer", description: "Since the node started, as the next ones." },
    failed: { type: "integer" },
    deadLetters: { type: "integer", description: "Events that failed too often." },
    dropped: { type: "integer", description: "Events that found no room." },
    failures: {
      type: "array",
      description: "The last ones, oldest first.",
      items: {
        type: "object",
        required: ["time", "code", "message", "version"],
        properties: { time, code: { type: "string" }, message: { type: "string" }, version: { type: "integer" } },
      },
    },
  },
}

export const deployedExample = { name: "cold-chain", version: 2, change: "changed" }

const deployed = {
  $id: "Deployed",
  type: "object",
  required: Object.keys(deployedExample),
  properties: {
    name: { type: "string" },
    version: { type: "integer", description: "The one in force now." },
    change: { type: "string", enum: ["created", "changed", "unchanged"] },
  },
}

export const deploymentExample = {
  document: {
    apiVersion: "brume.dev/v1",
    kind: "Function",
    metadata: { name: "hello" },
    spec: { runtime: "python", entry: "main.py" },
  },
  files: { "main.py": "def handler(event, ctx):\n    return event\n" },
}

export const deployment = {
  type: "object",
  required: ["document", "files"],
  properties: {
    document: { type: "object", description: `What brume.yaml says; runtimes: ${functionRuntimes.join(", ")}.` },
    files: {
      type: "object",
      description: "Path → text: `bundle.cjs` (and `bundle.cjs.map`) of JavaScript, or the files of a Python function.",
    },
    acceptUnsandboxed: {
      type: "boolean",
      description: "The code may run although nothing keeps it apart from the machine.",
    },
  },
}

export const logLineExample = {
  seq: 7,
  time: "2025-01-01T00:00:00.000000Z",
  level: "info",
  message: "too warm",
  version: 2,
}

const logLine = {
  $id: "FunctionLogLine",
  type: "object",
  required: Object.keys(logLineExample),
  properties: {
    seq: { type: "integer", description: "Grows by one with each line since the node started." },
    time,
    level: { type: "string", enum: functionLogLevels },
    message: { type: "string" },
    version: { type: "integer", description: "Of the function." },
    call: { type: "integer", description: "Which call said it." },
    fields: { description: "What was given besides." },
  },
}

export const secretExample = {
  name: "chat-token",
  created: "2025-01-01T00:00:00.000000Z",
  changed: "2025-01-01T00:00:00.000000Z",
}

const secret = {
  $id: "Secret",
  type: "object",
  description: "A secret; never its value.",
  required: Object.keys(secretExample),
  properties: { name: { type: "string" }, created: time, changed: time },
}

export const functionSchemas = [functionInfo, deployed, logLine, secret]
