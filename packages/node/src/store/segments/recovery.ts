/**
 * Opening: brings the folder of segments and the manifest into agreement, whatever a crash or damage left.
 *
 * A file gets its final name after its bytes are durable, and is listed after that. So what is not listed is either left
 * over (a crash between the two; a file that was replaced or dropped and not yet unlinked) and its readings are
 * accounted for elsewhere or still in the log, or its listing was lost with a damaged log, and it is listed again.
 */
import type { DamagedRange } from "@brume/core"
import { columnList } from "../tables/columns.ts"
import { countGone, latestOfFiles } from "./latest.ts"
import type { Damage, LatestEntry, SegmentEntry } from "./manifest.ts"
import { folder, parseName, pathOf } from "./names.ts"
import { type Description, readDescription } from "./parquet.ts"
import { covers, extent, intersect, type Range, type Ranges, subtract } from "./ranges.ts"
import { writeLatest } from "./segment-writer.ts"
import { isIntact, type Shelf } from "./shelf.ts"

export async function recover(shelf: Shelf): Promise<void> {
  const { disk, logger, manifest } = shelf
  for (const key of manifest.unreadable) logger.warn("a record of the manifest makes no sense and is left out", { key })
  const names = await disk.list(folder)
  for (const name of names) if (parseName(name).kind === "unfinished") await disk.remove(pathOf(name))
  await manifest.commit({ remove: manifest.superseded() })
  await repair(shelf)
  await examineListed(shelf)
  const left = await disk.list(folder)
  await examineUnlisted(shelf, left)
  await examineLatest(shelf, left)
}

/** Damage with which somebody has dealt: the segment was put back whole, or its file in quarantine is gone. */
async function repair({ disk, logger, manifest }: Shelf): Promise<void> {
  const quarantine = new Set((await disk.list("quarantine")).map((name) => `quarantine/${name}`))
  const files = new Set((await disk.list(folder)).map(pathOf))
  const add = new Map<string, SegmentEntry>()
  const repaired: Damage[] = []
  const settled: Damage[] = []
  for (const damage of manifest.damaged) {
    const { entry, file, quarantined } = damage
    // After a crash the damaged bytes may still lie where the whole ones would.
    if (files.has(file) && entry !== undefined && (add.has(file) || (await isIntact(disk, entry)))) {
      add.set(file, entry)
      repaired.push(damage)
    } else if (!files.has(file) && !quarantine.has(quarantined)) settled.push(damage)
  }
  for (const file of add.keys()) logger.info("a segment was put back", { file })
  if (add.size > 0) await manifest.commit({ add: [...add.values()], repaired, latest: "none" })
  await manifest.commit({ settled })
}

/** Sizes of all; hashes of those whose readings the log may still have, while it has them. */
async function examineListed(shelf: Shelf): Promise<void> {
  for (const entry of shelf.manifest.segments) {
    const isWhole = (await shelf.disk.size(pathOf(entry.name))) === entry.bytes
    const isInLog = intersect(entry.ranges, shelf.inLog(entry.epoch)).length > 0
    if (isWhole && (!isInLog || (await isIntact(shelf.disk, entry)))) continue
    await shelf.quarantine(entry)
  }
}

interface Unlisted {
  readonly name: string
  readonly epoch: string
  readonly range: Range
}

async function examineUnlisted(shelf: Shelf, names: readonly string[]): Promise<void> {
  const { logger, manifest } = shelf
  const unlisted: Unlisted[] = []
  for (const name of names) {
    const parsed = parseName(name)
    if (parsed.kind === "foreign") logger.warn("a file in the folder of segments is not Brume's", { name })
    if (parsed.kind === "segment" && !manifest.has(name)) unlisted.push({ name, ...parsed })
  }
  // Of a merged file and what it was made of, the merged one comes first.
  unlisted.sort((a, b) => b.range[1] - b.range[0] - (a.range[1] - a.range[0]))
  for (const file of unlisted) await examineFile(shelf, file)
}

async function examineFile(shelf: Shelf, file: Unlisted): Promise<void> {
  const { disk, logger, manifest, session } = shelf
  const path = pathOf(file.name)
  // It is not listed any more, and would be in quarantine but for a crash.
  if (manifest.damaged.some((range) => range.file === path)) {
    await shelf.setAside(file.name)
    return
  }
  const description = await readDescription(session, disk.absolute(path))
  const ranges: Ranges = description?.ranges ?? [file.range]
  const missing = subtract(ranges, manifest.accounted(file.epoch))
  const lost = subtract(missing, shelf.inLog(file.epoch))
  if (lost.length === 0) {
    await disk.remove(path)
    return
  }
  const isDisjoint = covers(missing, ranges)
  const entry = description !== undefined && isDisjoint ? await describe(shelf, file.name, description) : undefined
  if (entry !== undefined) {
    logger.warn("a segment that the log does not list is taken up again", { file: path, rows: entry.rows })
    await manifest.commit({ add: [entry], latest: "none" })
    return
  }
  const quarantined = await shelf.setAside(file.name)
  logger.error("segment is damaged and was taken out", { file: path, quarantined, lost: JSON.stringify(lost) })
  const damaged = lost.map(([fromSeq, toSeq]): DamagedRange => {
    return { epoch: file.epoch, fromSeq, toSeq, file: path, quarantined, certainty: "acknowledged" }
  })
  await manifest.commit({ damaged })
}

/** Reads everything of a file; undefined when that fails or does not fit its description. */
async function describe(shelf: Shelf, name: string, given: Description): Promise<SegmentEntry | undefined> {
  const path = pathOf(name)
  try {
    const [row = []] = await shelf.session.rows(
      `SELECT count(*), min(seq), max(seq), epoch_us(min(time)), epoch_us(max(time)), epoch_us(min(received)),
        epoch_us(max(received)), count(DISTINCT seq), min(epoch), max(epoch), bit_xor(hash(${columnList}))
        FROM ${shelf.rowsOf([{ name }])}`,
    )
    const [rows, first, last, minTime, maxTime, minReceived, maxReceived, distinct] = row.slice(0, 8).map(Number)
    const [from, to] = extent(given.ranges)
    if (rows === 0 || rows !== distinct || first! < from || last! >= to) return undefined
    if (row[8] !== given.epoch || row[9] !== given.epoch) return undefined
    const bytes = (await shelf.disk.size(path)) ?? 0
    const sha256 = await shelf.disk.hash(path)
    const times = { minTime: minTime!, maxTime: maxTime!, minReceived: minReceived!, maxReceived: maxReceived! }
    return { name, ...given, rows: rows!, bytes, sha256, ...times }
  } catch (error) {
    shelf.logger.warn("a segment cannot be read", { file: path, error })
    return undefined
  }
}

/** It is intact, and every row of it is in a segment; else it is made anew. */
async function examineLatest(shelf: Shelf, names: readonly string[]): Promise<void> {
  const { disk, logger, manifest, session } = shelf
  const { latest, segments } = manifest
  let isGood = latest === undefined ? segments.length === 0 : await isIntact(disk, latest)
  if (isGood && latest !== undefined) {
    const [[gone] = []] = await session.rows(countGone(shelf.rowsOf([latest]), manifest.listed))
    isGood = Number(gone) === 0
  }
  if (!isGood) {
    logger.warn("latest values do not fit the segments; finding them there")
    await manifest.commit({ latest: segments.length === 0 ? "none" : await rebuildLatest(shelf) })
  }
  for (const name of names) {
    if (parseName(name).kind === "latest" && name !== manifest.latest?.name) await disk.remove(pathOf(name))
  }
}

async function rebuildLatest(shelf: Shelf): Promise<LatestEntry> {
  const { log, manifest } = shelf
  const query = latestOfFiles(shelf.rowsOf(manifest.segments))
  return writeLatest(shelf, query, extent(manifest.listedOf(log.epoch))[1])
}
