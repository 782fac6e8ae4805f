/** JSON merge patches (RFC 7396), and what two objects differ in. Neither changes what it is given. */
import type { Json, JsonObject } from "@brume/core"

/** Deepest object. */
export const maxDepth = 16

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** Null removes a member; objects are merged, everything else is replaced. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(target))
  for (const [name, value] of Object.entries(patch)) {
    const before = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) ? merge(isObject(before) ? before : {}, value) : value)
  }
  return Object.fromEntries(merged)
}

/** What is wanted and not there as it is wanted. */
export function difference(wanted: JsonObject, there: JsonObject): JsonObject {
  const missing: [string, Json][] = []
  for (const [name, value] of Object.entries(wanted)) {
    const found = Object.hasOwn(there, name) ? there[name] : undefined
    if (isObject(value) && isObject(found)) {
      const inner = difference(value, found)
      if (Object.keys(inner).length > 0) missing.push([name, inner])
    } else if (!isSame(value, found)) missing.push([name, value])
  }
  return Object.fromEntries(missing)
}

/** Equal as JSON; the order of members says nothing. */
export function isSame(one: Json | undefined, other: Json | undefined): boolean {
  if (one === other) return true
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((item: Json, index) => isSame(item, other[index] as Json))
  if (!isObject(one) || !isObject(other)) return false
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length &&
    names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  )
}

/** Levels of objects and lists, counted no further than one beyond {@link maxDepth}. */
export function depthOf(value: Json, level = 1): number {
  if (typeof value !== "object" || value === null || level > maxDepth) return level
  let deepest = level
  for (const inner of Object.values(value as JsonObject)) deepest = Math.max(deepest, depthOf(inner, level + 1))
  return deepest
}
