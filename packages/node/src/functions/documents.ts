/**
 * Functions as documents.
 *
 * - N1 What `brume deploy` puts in force, code and document, is a version; the version's document is the one that is shown
 *   among the documents. So whoever applies a document without code makes a version of the code in force.
 * - N2 A document alone cannot say another runtime or another entry, as those are the code's.
 * - N3 Versions and documents are records of their own: what a crash leaves between them is settled at the start, by which
 *   is newer.
 */
import { isDeepStrictEqual } from "node:util"
import {
  type DocumentKind,
  type DocumentMistake,
  type Documents,
  documentApiVersion,
  type FunctionSpec,
  type Logger,
  type StoredDocument,
} from "@brume/core"
import type { OpenedFunctions } from "./functions.ts"
import { type CheckedDocument, checkDocument, checkSpec, functionNamePattern, isMistakes } from "./spec.ts"
import { functionSpecSchema } from "./spec-schema.ts"
import type { Timetables } from "./timetables.ts"

export interface DeployedDocuments {
  /** Of the version in force. */
  documentOf(name: string): CheckedDocument | undefined
}

const kind = "Function"

/** @param functions without them, documents are judged as if their code were deployed */
export function createFunctionKind(timetables: Timetables, functions?: DeployedDocuments): DocumentKind {
  return {
    kind,
    plural: "functions",
    summary: "Code that is called with events and requests; it comes with brume deploy.",
    specSchema: functionSpecSchema,
    check(given, name) {
      const spec = checkSpec(given, timetables)
      if (isMistakes(spec)) return spec
      if (!functionNamePattern.test(name))
        return [{ path: "metadata.name", problem: "must be 1 to 63 lower-case letters, digits and hyphens" }]
      return functions === undefined ? [] : codeMistakes(spec, functions.documentOf(name)?.spec)
    },
  }
}

/** N2 */
function codeMistakes(spec: FunctionSpec, deployed: FunctionSpec | undefined): DocumentMistake[] {
  if (deployed === undefined)
    return [{ path: "metadata.name", problem: "has no code on this node: deploy the folder with brume deploy DIR" }]
  const changes = (["runtime", "entry"] as const).filter((name) => spec[name] !== deployed[name])
  return changes.map((name) => ({
    path: `spec.${name}`,
    problem: `is ${deployed[name]} of the code in force: deploy the folder with brume deploy DIR`,
  }))
}

export interface FollowOptions {
  readonly documents: Pick<Documents, "apply" | "get" | "delete" | "onChange">
  readonly timetables: Timetables
  readonly logger: Logger
}

/** From here on documents and versions say the same. */
export function followDocuments(functions: OpenedFunctions, { documents, timetables, logger }: FollowOptions): void {
  const tell = (name: string) => (error: unknown) =>
    logger.warn("A function and its document could not be made to say the same", { function: name, error })
  const isShown = (name: string): boolean => {
    const shown = documents.get(kind, name)
    const said = functions.documentOf(name)
    if (shown === undefined || said === undefined) return shown === said
    const { status: _status, ...document } = shown
    const checked = checkDocument(document, timetables)
    return !isMistakes(checked) && isDeepStrictEqual(checked, said)
  }
  const show = async (name: string): Promise<void> => {
    const said = functions.documentOf(name)
    if (said === undefined) await documents.delete(kind, name)
    else await documents.apply([written(said)])
  }
  const act = async (name: string, shown: StoredDocument | undefined): Promise<void> => {
    if (functions.documentOf(name) === undefined || isShown(name)) return
    if (shown === undefined) await functions.delete(name)
    else {
      const { status: _status, ...document } = shown
      await functions.respecify(document)
    }
  }
  documents.onChange(kind, ({ name, document }) => void act(name, document).catch(tell(name)))
  // What came from a document needs not go back there.
  functions.onChange((name) => void (isShown(name) ? undefined : show(name).catch(tell(name))))
  // N3
  for (const { name, version, versions } of functions.list()) {
    if (isShown(name)) continue
    const document = documents.get(kind, name)
    const created = versions.find((one) => one.version === version)?.created ?? 0
    const isNewer = document !== undefined && document.status.changed > created
    void (isNewer ? act(name, document) : show(name)).catch(tell(name))
  }
}

function written({ name, labels, spec }: CheckedDocument): object {
  return {
    apiVersion: documentApiVersion,
    kind,
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec,
  }
}
