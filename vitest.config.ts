import { defineConfig } from "vitest/config"

// Sources are tested without a build: every package exports its TypeScript under this condition.
const conditions = ["brume-source"]

export default defineConfig({
  ssr: { resolve: { conditions: [...conditions, "node"] } },
  resolve: { conditions },
  test: {
    include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts", "tools/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", "./tools/closing-line.mjs"],
  },
})
