/** What the front needs of the store. */
import type { Store } from "@brume/core"

export type MqttStore = Pick<Store, "append" | "put" | "get" | "entries">
