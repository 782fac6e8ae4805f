/**
 * Retained messages by the levels of their topics. Nothing recurs, whatever the depth; a node without a message and
 * without children does not exist.
 */
import { SmallMap } from "./small-map.ts"

export interface Retained<T> {
  readonly topic: string
  readonly value: T
  /** What it counts for, by whoever set it. */
  readonly bytes: number
}

interface Node<T> {
  readonly parent: Node<T> | undefined
  readonly level: string
  children: SmallMap<string, Node<T>> | undefined
  retained: Retained<T> | undefined
}

/** A place that a match goes on from: the children that are left there, and the level of the filter for them. */
interface Branch<T> {
  readonly children: Iterator<Node<T>>
  readonly depth: number
}

export class RetainedTree<T> {
  readonly #root: Node<T> = newNode(undefined, "")
  #size = 0
  #bytes = 0

  /** Messages. */
  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  get(topic: string): Retained<T> | undefined {
    return this.#find(topic)?.retained
  }

  /** Sets or replaces. */
  set(topic: string, value: T, bytes: number): void {
    let node = this.#root
    for (let start = 0; start <= topic.length; ) {
      const end = endOfLevel(topic, start)
      const level = topic.slice(start, end)
      node.children ??= new SmallMap()
      let child = node.children.get(level)
      if (child === undefined) {
        child = newNode(node, level)
        node.children.set(level, child)
      }
      node = child
      start = end + 1
    }
    this.#count(node.retained, -1)
    node.retained = { topic, value, bytes }
    this.#count(node.retained, 1)
  }

  /** Returns whether there was one. */
  delete(topic: string): boolean {
    let node = this.#find(topic)
    if (node?.retained === undefined) return false
    this.#count(node.retained, -1)
    node.retained = undefined
    while (node.parent !== undefined && node.children === undefined && node.retained === undefined) {
      const { parent, level }: Node<T> = node
      parent.children?.delete(level)
      if (parent.children?.size === 0) parent.children = undefined
      node = parent
    }
    return true
  }

  /** The messages of a well-formed filter. What is set or deleted while somebody iterates may be seen or not. */
  *match(filter: string): Generator<Retained<T>, void, undefined> {
    const levels = filter.split("/")
    const branches: Branch<T>[] = [{ children: [this.#root].values(), depth: -1 }]
    for (let branch = branches.at(-1); branch !== undefined; branch = branches.at(-1)) {
      const { value: node, done } = branch.children.next()
      if (done === true) {
        branches.pop()
        continue
      }
      // Levels of the filter behind this node; everything below `#` stays at it.
      const depth = levels[branch.depth] === "#" ? branch.depth : branch.depth + 1
      const level = levels[depth]
      if (node.retained !== undefined && (level === undefined || level === "#")) yield node.retained
      if (level === undefined || node.children === undefined) continue
      if (level === "#" || level === "+") {
        const children = node.children.values()
        branches.push({ children: node === this.#root ? named(children) : children, depth })
      } else {
        const child = node.children.get(level)
        if (child !== undefined) branches.push({ children: [child].values(), depth })
      }
    }
  }

  #find(topic: string): Node<T> | undefined {
    let node: Node<T> | undefined = this.#root
    for (let start = 0; node !== undefined && start <= topic.length; ) {
      const end = endOfLevel(topic, start)
      node = node.children?.get(topic.slice(start, end))
      start = end + 1
    }
    return node
  }

  #count(retained: Retained<T> | undefined, sign: 1 | -1): void {
    if (retained === undefined) return
    this.#size += sign
    this.#bytes += sign * retained.bytes
  }
}

/** Wildcards at the start leave out what begins with `$`. [MQTT-4.7.2-1] */
function* named<T>(nodes: Iterator<Node<T>>): Generator<Node<T>, void, undefined> {
  for (let next = nodes.next(); next.done !== true; next = nodes.next()) {
    if (!next.value.level.startsWith("$")) yield next.value
  }
}

function endOfLevel(topic: string, start: number): number {
  const slash = topic.indexOf("/", start)
  return slash < 0 ? topic.length : slash
}

function newNode<T>(parent: Node<T> | undefined, level: string): Node<T> {
  return { parent, level, children: undefined, retained: undefined }
}
