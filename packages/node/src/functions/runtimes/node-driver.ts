/** JavaScript: the Node.js that runs the daemon, as a process of its own with its own heap limit. */
import { fileURLToPath } from "node:url"
import type { Driver } from "./driver.ts"

const runners = fileURLToPath(new URL("../../../runners", import.meta.url))

export function createNodeDriver(): Driver {
  const { execPath } = process
  const [major = 0] = process.versions.node.split(".").map(Number)
  return {
    name: "node",
    isInOrder: false,
    missing: async () => undefined,
    launch: ({ memoryMiB }) => ({
      command: {
        file: execPath,
        args: [`--max-old-space-size=${memoryMiB}`, "--no-warnings", `${runners}/runner.cjs`],
        environment: {},
      },
      paths: [execPath, runners],
      dataMiB: memoryMiB + ownMiB(major),
    }),
  }
}

/**
 * What Node.js holds itself: stacks of its threads (8 MiB each), its young generation, compiled code. From 22 on it maps
 * more than it uses, and the limit would end it at its start.
 */
function ownMiB(major: number): number {
  return major >= 22 ? 640 : 112
}
