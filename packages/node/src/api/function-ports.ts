/** What the room of functions does for the API. */
import type {
  FetchRequest,
  FetchResponse,
  FunctionCall,
  FunctionInfo,
  FunctionLogLine,
  Secret,
  SecretInfo,
} from "@brume/core"

export interface FunctionsPort {
  invoke(call: FunctionCall): Promise<unknown>
  /** `document` and `files` as they came. */
  deploy(
    name: string,
    deployment: {
      readonly document: unknown
      readonly files: unknown
      readonly acceptUnsandboxed?: boolean | undefined
    },
  ): Promise<DeployedFunction>
  rollback(name: string, to: number | undefined): Promise<DeployedFunction>
  delete(name: string): Promise<void>
  list(): readonly FunctionInfo[]
  describe(name: string): FunctionInfo
  log(name: string): FunctionLogPort
  /** Who may call its `fetch`; undefined where there is none. */
  httpAccess(name: string): "token" | "public" | undefined
  fetch(name: string, request: FetchRequest): Promise<FetchResponse>
  readonly secrets: SecretsPort
}

export interface DeployedFunction {
  readonly name: string
  readonly version: number
  readonly change: "created" | "changed" | "unchanged"
}

export interface FunctionLogPort {
  /** The newest lines behind a place, oldest first. */
  read(after: number, limit: number): readonly FunctionLogLine[]
  /** Calls when there are more. Returns the function that ends it. */
  onLine(listener: () => void): () => void
}

export interface SecretsPort {
  list(): readonly SecretInfo[]
  set(name: string, value: Secret): Promise<SecretInfo>
  delete(name: string): Promise<void>
}
