/**
 * Functions as documents.
 *
 * - N1 What `brume deploy` puts in force, code and document, is a version; the version's document is the one that is shown
 *   among the documents. So whoever applies a document without code makes a version of the code in force.
 * - N2 A document alone cannot say another runtime or another entry, as those are the code's.
 * - N3 Versions and documents are records of their own: what a crash leaves between them is settled at the start, by which
 *   is newer.
 */
import {
  type DocumentChange,
  type DocumentKind,
  type DocumentMistake,
  type Documents,
  documentApiVersion,
  type FunctionSpec,
  type Logger,
} from "@brume/core"
import type { OpenedFunctions } from "./functions.ts"
import { checkSpec, functionNamePattern, isMistakes } from "./spec.ts"
import { functionSpecSchema } from "./spec-schema.ts"
import type { Timetables } from "./timetables.ts"

export interface DeployedSpecs {
  /** Of the version in force. */
  specOf(name: string): FunctionSpec | undefined
}

const kind = "Function"

/** @param functions without them, documents are judged as if their code were deployed */
export function createFunctionKind(timetables: Timetables, functions?: DeployedSpecs): DocumentKind {
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
      return functions === undefined ? [] : codeMistakes(spec, functions.specOf(name))
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
  readonly logger: Logger
}

/** From here on documents and versions say the same. */
export function followDocuments(functions: OpenedFunctions, { documents, logger }: FollowOptions): void {
  const tell = (name: string) => (error: unknown) =>
    logger.warn("A function and its document could not be made to say the same", { function: name, error })
  const show = async (name: string): Promise<void> => {
    const spec = functions.specOf(name)
    if (spec === undefined) await documents.delete(kind, name)
    else await documents.apply([documentOf(name, spec, documents.get(kind, name)?.metadata.labels)])
  }
  const act = async ({ name, document }: Omit<DocumentChange, "kind">): Promise<void> => {
    const spec = functions.specOf(name)
    if (spec === undefined) return
    if (document === undefined) await functions.delete(name)
    else await functions.respecify(name, document.spec)
  }
  documents.onChange(kind, (change) => void act(change).catch(tell(change.name)))
  functions.onChange((name) => {
    const shown = documents.get(kind, name)
    // What came from a document needs not go back there.
    if (functions.specOf(name) === undefined ? shown !== undefined : !functions.isSaidBy(name, shown?.spec))
      void show(name).catch(tell(name))
  })
  // N3
  for (const { name, version, versions } of functions.list()) {
    const document = documents.get(kind, name)
    const created = versions.find((one) => one.version === version)?.created ?? 0
    if (functions.isSaidBy(name, document?.spec)) continue
    const isNewer = document !== undefined && document.status.changed > created
    void (isNewer ? act({ name, document }) : show(name)).catch(tell(name))
  }
}

function documentOf(name: string, spec: FunctionSpec, labels: Readonly<Record<string, string>> | undefined): object {
  return {
    apiVersion: documentApiVersion,
    kind,
    metadata: { name, ...(labels === undefined ? {} : { labels }) },
    spec,
  }
}
