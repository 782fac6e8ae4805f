/** Bridges as the configuration wants them: with their files and variables read when they connect. */
import { readFile } from "node:fs/promises"
import { FogError, Secret } from "@brume/core"
import { systemSurroundings } from "./config/config.ts"
import type { Config } from "./config/schema.ts"
import type { BridgeCredentials, BridgeOptions } from "./devices/mqtt/bridge/options.ts"

type BridgeConfig = Config["mqtt"]["bridges"][number]

export function bridgesOf({ mqtt, node }: Config): readonly BridgeOptions[] {
  return mqtt.bridges.map((bridge) => {
    const { name, clientId = `brume-${node.name}-${name}`, topics, ...others } = bridge
    return {
      ...others,
      name,
      clientId,
      topics: topics.map((map) => ({ ...map, qos: Number(map.qos) as 0 | 1 | 2 })),
      credentials: () => credentialsOf(bridge),
    }
  })
}

async function credentialsOf({ passwordFile, passwordVariable, tls }: BridgeConfig): Promise<BridgeCredentials> {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFile(path))
  return {
    password: passwordVariable === undefined ? passwordIn(await read(passwordFile)) : passwordOf(passwordVariable),
    authority: await read(tls.authorityFile),
    certificate: await read(tls.certificateFile),
    key: await read(tls.keyFile),
  }
}

function passwordIn(bytes: Buffer | undefined): Secret | undefined {
  return bytes === undefined ? undefined : new Secret(bytes.toString("utf8").split(/\r?\n/, 1)[0]!)
}

function passwordOf(variable: string): Secret {
  const value = systemSurroundings().environment[variable]
  if (value !== undefined) return new Secret(value)
  throw new FogError("config_invalid", {
    message: `The environment variable ${variable} is not set`,
    hint: "Set it before the node starts, or name another one in mqtt.bridges[].passwordVariable.",
  })
}
