/** A node in this process, as node.ts joins its rooms, on a folder of its own. */
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SilentLogger } from "@brume/testkit"
import { systemAmbient } from "../../packages/node/src/ambient/ambient.ts"
import { resolveConfig } from "../../packages/node/src/config/config.ts"
import { type Node, openNode } from "../../packages/node/src/node.ts"

export interface WholeNode extends AsyncDisposable {
  readonly node: Node
  /** Its data folder. */
  readonly folder: string
  readonly logger: SilentLogger
  /** The admin's. */
  readonly secret: string
  /** A request with the admin's token. */
  call(path: string, init?: RequestInit): Promise<Response>
  sql(statement: string, more?: object, init?: RequestInit): Promise<Response>
}

/** @param settings keys of the configuration, as for `--set` */
export async function wholeNode(settings: Readonly<Record<string, string>> = {}): Promise<WholeNode> {
  const folder = await mkdtemp(join(tmpdir(), "brume-whole-"))
  const values = { "store.path": folder, "api.listen": "127.0.0.1:0", ...settings }
  const flags = Object.entries(values).map(([key, value]) => ({ flag: "--set", key, value }))
  const surroundings = { environment: {}, workingFolder: folder, hostName: "test", readFile }
  const { config } = await resolveConfig({ flags }, surroundings)
  const logger = new SilentLogger()
  const node = await openNode(config, systemAmbient(), { logger })
  const secret = (await readFile(join(folder, "admin-token"), "utf8")).trim()
  const call: WholeNode["call"] = (path, init = {}) =>
    fetch(node.url + path, { ...init, headers: { authorization: `Bearer ${secret}`, ...init.headers } })
  return {
    node,
    folder,
    logger,
    secret,
    call,
    sql: (sql, more = {}, init = {}) =>
      call("/v1/query", {
        ...init,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql, ...more }),
      }),
    async [Symbol.asyncDispose]() {
      await node.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
