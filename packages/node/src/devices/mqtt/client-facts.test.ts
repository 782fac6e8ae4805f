import { expect, test } from "vitest"
import type { Broker } from "./broker.ts"
import { clientsPage } from "./client-facts.ts"
import type { Session } from "./session/session.ts"

/** As far as a page looks at it; every third client is connected. */
function brokerOf(ids: readonly string[]): Broker {
  const sessions = new Map(
    ids.map((clientId) => [clientId, { clientId, facts: { owner: "o", created: 0 }, subscriptions: new Map() }]),
  )
  const clients = new Map(ids.filter((_, index) => index % 3 === 0).map((id) => [id, { link: {} }]))
  return {
    sessions: {
      get: (id: string) => sessions.get(id) as unknown as Session,
      [Symbol.iterator]: () => sessions.values(),
    },
    clients,
  } as unknown as Broker
}

test("pages follow each other by identifier and hold every session once, also of very many", () => {
  const ids = Array.from({ length: 20_000 }, (_, index) => `c${(index * 7_919) % 20_000}`)
  const broker = brokerOf(ids)
  const seen: string[] = []
  for (let after: string | undefined; ; ) {
    const { clients, next } = clientsPage(broker, { limit: 999, after })
    seen.push(...clients.map(({ clientId }) => clientId))
    if (next === undefined) break
    after = next
  }
  expect(seen).toEqual([...ids].sort())
  const connected = clientsPage(broker, { limit: 20_000, isConnected: true })
  const away = clientsPage(broker, { limit: 20_000, isConnected: false })
  expect([connected.clients.length, away.clients.length]).toEqual([6_667, 13_333])
})
