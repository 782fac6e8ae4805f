import { SilentLogger } from "@brume/testkit"
import { expect, test } from "vitest"
import { writtenExample } from "./api/kept-document.ts"
import { documentKinds } from "./document-kinds.ts"
import { createChecker } from "./documents/check.ts"
import { defaultDocumentLimits } from "./documents/envelope.ts"

const logger = new SilentLogger()
const checker = createChecker({ kinds: documentKinds, logger, limits: defaultDocumentLimits })

test("kinds have names and plurals of their own", () => {
  const words = documentKinds.flatMap(({ kind, plural }) => [kind.toLowerCase(), plural])
  expect(new Set(words).size).toBe(words.length)
  for (const { kind, plural } of documentKinds) {
    expect(kind).toMatch(/^[A-Z][A-Za-z]+$/)
    expect(plural).toMatch(/^[a-z]+$/)
  }
})

test.each(documentKinds)(
  "the schema of a $kind is one that JSON Schema's checker takes, and finds an unknown key",
  ({ kind }) => {
    const document = { apiVersion: "brume.dev/v1", kind, metadata: { name: "a" }, spec: { "no-such-key": 1 } }
    expect(checker.mistakes(document).map(({ path }) => path)).toContain("spec.no-such-key")
    expect(logger.messages("error")).toEqual([])
  },
)

test("the example in the API's reference is a document that fits", () => {
  expect(checker.mistakes(writtenExample)).toEqual([])
})

test("the mistakes of a rule are told in words", () => {
  const mistakes = checker.mistakes({
    apiVersion: "brume.dev/v1",
    kind: "Rule",
    metadata: { name: "warm" },
    spec: {
      on: { device: "cold/#", proprety: "temperature" },
      wehn: "value > 8",
      for: "five minutes",
      actions: [{ publish: { topic: "a" }, alarm: { name: "b", severity: "critcal" } }, { publsh: {} }],
    },
  })
  const lines = mistakes.map(({ path, problem }) => `${path} ${problem}`)
  expect(lines).toEqual(
    expect.arrayContaining([
      "spec.on.proprety is unknown here; did you mean property?",
      "spec.wehn is unknown here; did you mean when?",
      "spec.for must be a duration like 90s, 5m or 1h30m",
      "spec.actions[0] must have one member of publish, command, function, webhook, alarm",
      "spec.actions[0].alarm.severity must be one of info, warning, critical; did you mean critical?",
      "spec.actions[1].publsh is unknown here; did you mean publish?",
    ]),
  )
})
