import { expect, test } from "vitest"
import { fillPayload, payloadTemplateProblem } from "./payload-template.ts"

const facts = {
  id: "0a",
  device: "hall/1",
  command: "set",
  input: { state: 'O"N', level: { now: 3 }, list: [1], none: null },
}

test("a template has parts of the input as JSON and as text", () => {
  const cases = [
    ["{{input}}", JSON.stringify(facts.input)],
    ["{{ text/state }}", 'O"N'],
    ["{{input/state}}", '"O\\"N"'],
    ['{"{{command}}":{{input/level/now}}}', '{"set":3}'],
    ["{{text/level}}|{{text/none}}|{{input/none}}|{{input/list/0}}", '{"now":3}||null|1'],
    ["{{id}} {{device}} {one}", "0a hall/1 {one}"],
    ["", ""],
  ] as const
  for (const [template, filled] of cases) {
    expect(payloadTemplateProblem(template)).toBeUndefined()
    expect(fillPayload(template, facts)).toBe(filled)
  }
})

test("a placeholder that there is not, or half of one, is told", () => {
  for (const template of ["{{name}}", "{{inputs}}", "{{}}", "{{device/x}}", "{{input.state}}"])
    expect(payloadTemplateProblem(template)).toMatch(/^has \{\{.*but there are \{\{input\}\}/)
  expect(payloadTemplateProblem("{{input")).toBe("has {{ without its counterpart")
})

test("a member that the input lacks is named", () => {
  for (const template of ["{{input/level/then}}", "{{text/toString}}", "{{input/state/x}}"])
    expect(() => fillPayload(template, facts)).toThrow(/its input has no member \//)
})
