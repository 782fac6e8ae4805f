/** Checks of what this machine gives to run functions, and to keep them in. */
import type { FunctionsMachine } from "@brume/node"
import { type Check, ok, warn } from "./check.ts"

export function checkFunctions(machine: FunctionsMachine): Check[] {
  return [checkSandbox(machine), checkPython(machine)]
}

function checkSandbox({ sandbox, bubblewrap, prlimit, reason, remedy }: FunctionsMachine): Check {
  return sandbox === "bubblewrap"
    ? ok("Sandbox", `bubblewrap ${bubblewrap} keeps functions in, prlimit ${prlimit} limits them`)
    : warn(
        "Sandbox",
        `functions are unsandboxed, and an admin must accept each: ${reason}`,
        remedy ?? "Install bubblewrap.",
      )
}

function checkPython({ python, pythonProblem, pythonRemedy }: FunctionsMachine): Check {
  return python === undefined
    ? warn("Python", pythonProblem ?? "not found", pythonRemedy ?? "Install Python 3.")
    : ok("Python", `${python} runs functions in Python`)
}
