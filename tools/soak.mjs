/** `npm run soak -- NAME [--rounds N | --packets N --seed N]`: the long form of a test, with its result in bench/results/soak-NAME.json. */
import { join } from "node:path"
import { parseArgs } from "node:util"
import { build, install, root, run } from "./setup.mjs"

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "200" },
    packets: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
  },
})
const [name = "kill"] = positionals
const forms = {
  kill: "test/e2e/kill.test.ts",
  "mqtt-kill": "test/e2e/mqtt-kill.test.ts",
  "mqtt-fuzz": "test/e2e/mqtt-fuzz.test.ts",
  "rules-kill": "test/e2e/rules-kill.test.ts",
  "commands-kill": "test/e2e/commands-kill.test.ts",
  "loop-kill": "test/e2e/loop-kill.test.ts",
  "windows-kill": "test/e2e/windows-kill.test.ts",
}
if (!(name in forms)) {
  console.error(`Usage: npm run soak -- ${Object.keys(forms).join(" | ")} [--rounds N] [--packets N] [--seed N]`)
  process.exit(2)
}
await install()
await build()
process.exitCode = await run(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), "run", forms[name]], {
  env: {
    ...process.env,
    BRUME_SOAK_ROUNDS: values.rounds,
    BRUME_SOAK_PACKETS: values.packets,
    BRUME_SOAK_SEED: values.seed,
  },
})
