import { filterProblem, matchesFilter } from "@brume/core"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { SubscriptionOptions } from "./subscription.ts"
import { type Matches, parseShared, SubscriptionTree } from "./subscription-tree.ts"

const plain: SubscriptionOptions = {
  qos: 0,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionIdentifier: 0,
}

function tree(
  ...entries: readonly (readonly [string, string, Partial<SubscriptionOptions>?])[]
): SubscriptionTree<string> {
  const made = new SubscriptionTree<string>()
  for (const [filter, subscriber, options] of entries) made.set(filter, subscriber, { ...plain, ...options })
  return made
}

const names = (matches: Matches<string>): string[] => matches.subscribers.map(({ subscriber }) => subscriber).sort()

describe("which filters fit", () => {
  test.each([
    ["a/b", ["exact", "plus", "rest", "all"]],
    ["a", ["rest", "all"]],
    ["a/", ["plus", "rest", "all"]],
    ["a/b/c", ["rest", "all"]],
    ["/", ["empty", "all"]],
    ["$SYS/load", ["system"]],
    ["$SYS", ["system"]],
  ])("%s", (topic, expected) => {
    const all = tree(
      ["a/b", "exact"],
      ["a/+", "plus"],
      ["a/#", "rest"],
      ["#", "all"],
      ["/", "empty"],
      ["+/load", "wrong"],
      ["$SYS/#", "system"],
    )
    expect(names(all.match(topic))).toEqual([...expected].sort())
  })
})

describe("several subscriptions of one subscriber", () => {
  test("become one delivery: highest QoS, all identifiers, retain as published when one asks for it", () => {
    const subscriptions = tree(
      ["a/+", "s", { qos: 1, subscriptionIdentifier: 7 }],
      ["a/#", "s", { qos: 2, subscriptionIdentifier: 9, retainAsPublished: true }],
      ["a/b", "s", { subscriptionIdentifier: 7 }],
      ["#", "s"],
    )
    const { subscribers } = subscriptions.match("a/b")
    expect(subscribers).toHaveLength(1)
    const { qos, retainAsPublished, subscriptionIdentifiers } = subscribers[0]!.delivery
    expect({ qos, retainAsPublished, ids: [...subscriptionIdentifiers].sort() }).toEqual({
      qos: 2,
      retainAsPublished: true,
      ids: [7, 9],
    })
  })

  test("a message of its own comes by those without no-local alone", () => {
    const mixed = tree(["a", "s", { noLocal: true, qos: 2 }], ["#", "s", { qos: 1 }], ["+", "t", { noLocal: true }])
    const [s, t] = mixed.match("a").subscribers
    expect([s?.delivery.qos, s?.ownDelivery?.qos]).toEqual([2, 1])
    expect([t?.delivery.qos, t?.ownDelivery]).toEqual([0, undefined])
  })
})

describe("shared subscriptions", () => {
  test("a group is found by its filter, and gives its members in turn", () => {
    const shared = tree(["$share/g/a/+", "x"], ["$share/g/a/+", "y"], ["$share/h/a/+", "x"], ["$share/g/#", "z"])
    const { groups, subscribers } = shared.match("a/b")
    expect(subscribers).toEqual([])
    expect(groups.map(({ name, filter, members }) => [name, filter, members.length])).toEqual([
      ["g", "#", 1],
      ["g", "a/+", 2],
      ["h", "a/+", 1],
    ])
    const pair = groups[1]!
    expect([1, 2, 3, 4].map(() => pair.next()?.subscriber)).toEqual(["x", "y", "x", "y"])
    // Kept results show the members of now.
    shared.remove("$share/g/a/+", "x")
    expect([pair.next()?.subscriber, pair.next()?.subscriber]).toEqual(["y", "y"])
  })

  test("wildcards at the start of the filter do not fit system topics", () => {
    expect(tree(["$share/g/#", "x"]).match("$SYS/a").groups).toEqual([])
    expect(tree(["$share/g/$SYS/#", "x"]).match("$SYS/a").groups).toHaveLength(1)
  })

  test("$share alone, or without a filter, is a name like any other", () => {
    expect(parseShared("$share")).toEqual({ group: undefined, filter: "$share" })
    expect(parseShared("$share/g")).toEqual({ group: undefined, filter: "$share/g" })
    expect(parseShared("$share/g//x")).toEqual({ group: "g", filter: "/x" })
  })

  test("a large group empties in any order", () => {
    const shared = new SubscriptionTree<number>()
    for (let member = 0; member < 20_000; member++) shared.set("$share/g/a", member, plain)
    for (let member = 0; member < 20_000; member += 2) shared.remove("$share/g/a", member)
    const members = shared.match("a").groups[0]!.members.map(({ subscriber }) => subscriber)
    expect(new Set(members)).toEqual(new Set(Array.from({ length: 10_000 }, (_, index) => index * 2 + 1)))
    for (let member = 1; member < 20_000; member += 2) shared.remove("$share/g/a", member)
    expect([shared.size, shared.nodes]).toEqual([0, 0])
  })
})

test("set says what is new, remove what was there, and the version what changed", () => {
  const subscriptions = new SubscriptionTree<string>()
  const versions: number[] = []
  const noting = <T>(result: T): T => {
    versions.push(subscriptions.version)
    return result
  }
  expect(noting(subscriptions.set("a", "s", plain))).toBe(true)
  expect(noting(subscriptions.set("a", "s", { ...plain }))).toBe(false)
  expect(noting(subscriptions.set("a", "s", { ...plain, qos: 1 }))).toBe(false)
  expect(noting(subscriptions.remove("b", "s"))).toBe(false)
  expect(noting(subscriptions.remove("a", "t"))).toBe(false)
  expect(noting(subscriptions.remove("a", "s"))).toBe(true)
  expect(versions.map((version) => version - versions[0]!)).toEqual([0, 0, 1, 1, 1, 2])
})

test("filters and topics of 65,536 levels are only long", () => {
  const deep = "/".repeat(65_535)
  const plus = Array(65_536).fill("+").join("/")
  const subscriptions = tree([deep, "exact"], [plus, "plus"], [`${deep.slice(2)}/#`, "rest"], ["#", "all"])
  expect(names(subscriptions.match(deep))).toEqual(["all", "exact", "plus", "rest"])
  expect(names(subscriptions.match(deep.slice(1)))).toEqual(["all", "rest"])
  for (const [filter, name] of [
    [deep, "exact"],
    [plus, "plus"],
    [`${deep.slice(2)}/#`, "rest"],
    ["#", "all"],
  ] as const)
    expect(subscriptions.remove(filter, name)).toBe(true)
  expect([subscriptions.size, subscriptions.nodes]).toEqual([0, 0])
})

const level = fc.constantFrom("", "a", "b", "$x")
const topics = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join("/"))
  .filter((topic) => topic !== "")
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ["#"] : [])].join("/"))
  .filter((filter) => filterProblem(filter) === undefined)
const options: fc.Arbitrary<SubscriptionOptions> = fc.record({
  qos: fc.constantFrom(0, 1, 2),
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.constantFrom(0, 1, 2),
  subscriptionIdentifier: fc.nat(3),
})
const changes = fc.record({
  isAdded: fc.boolean(),
  group: fc.constantFrom("", "", "$share/g/", "$share/h/"),
  filter: filters,
  subscriber: fc.constantFrom("s", "t", "u"),
  options,
})

/** What a match says, in an order of its own. */
function told({ subscribers, groups }: Matches<string>): unknown {
  const own = subscribers.map(({ subscriber, delivery, ownDelivery }) => {
    const of = (one: typeof ownDelivery): unknown =>
      one === undefined ? undefined : { ...one, subscriptionIdentifiers: [...one.subscriptionIdentifiers].sort() }
    return [subscriber, of(delivery), of(ownDelivery)] as const
  })
  const shared = groups.map(({ name, filter, members }) => [
    `${name} ${filter}`,
    members.map((member) => [member.subscriber, member.options] as const).sort(byName),
  ])
  return { own: own.sort(byName), shared: shared.sort((one, other) => (String(one[0]) < String(other[0]) ? -1 : 1)) }
}

const byName = (one: readonly [string, ...unknown[]], other: readonly [string, ...unknown[]]): number =>
  one[0] < other[0] ? -1 : 1

/** The same by a list of subscriptions. */
function expected(list: ReadonlyMap<string, readonly [string, string, SubscriptionOptions]>, topic: string): unknown {
  const fitting = [...list.values()]
    .map(([filter, subscriber, chosen]) => ({ ...parseShared(filter), subscriber, chosen }))
    .filter(({ filter }) => matchesFilter(filter, topic))
  const delivery = (chosen: readonly SubscriptionOptions[]): unknown =>
    chosen.length === 0
      ? undefined
      : {
          qos: Math.max(...chosen.map(({ qos }) => qos)),
          retainAsPublished: chosen.some((one) => one.retainAsPublished),
          subscriptionIdentifiers: [
            ...new Set(chosen.map((one) => one.subscriptionIdentifier).filter((id) => id > 0)),
          ].sort(),
        }
  const plainOnes = fitting.filter(({ group }) => group === undefined)
  const own = [...new Set(plainOnes.map(({ subscriber }) => subscriber))].sort().map((subscriber) => {
    const chosen = plainOnes.filter((one) => one.subscriber === subscriber).map((one) => one.chosen)
    return [subscriber, delivery(chosen), delivery(chosen.filter(({ noLocal }) => !noLocal))]
  })
  const shared = fitting.filter(({ group }) => group !== undefined)
  const groups = [...new Set(shared.map(({ group, filter }) => `${group} ${filter}`))].sort().map((name) => [
    name,
    shared
      .filter(({ group, filter }) => `${group} ${filter}` === name)
      .map(({ subscriber, chosen }) => [subscriber, chosen] as const)
      .sort(byName),
  ])
  return { own, shared: groups }
}

test("any history of subscriptions matches as a list of them would, and a kept result is good while the version is", () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 40 }), topics, (history, topic) => {
      const subscriptions = new SubscriptionTree<string>()
      const list = new Map<string, readonly [string, string, SubscriptionOptions]>()
      let kept = { version: -1, matches: subscriptions.match(topic) }
      for (const { isAdded, group, filter, subscriber, options: chosen } of history) {
        const name = group + filter
        const key = `${name} ${subscriber}`
        if (isAdded) {
          expect(subscriptions.set(name, subscriber, chosen)).toBe(!list.has(key))
          list.set(key, [name, subscriber, chosen])
        } else expect(subscriptions.remove(name, subscriber)).toBe(list.delete(key))
        if (kept.version !== subscriptions.version) {
          kept = { version: subscriptions.version, matches: subscriptions.match(topic) }
        }
        expect(told(kept.matches)).toEqual(expected(list, topic))
        expect(subscriptions.size).toBe(list.size)
      }
      for (const [name, subscriber] of list.values()) subscriptions.remove(name, subscriber)
      expect([subscriptions.size, subscriptions.nodes]).toEqual([0, 0])
    }),
  )
})
