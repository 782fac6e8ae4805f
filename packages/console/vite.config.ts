import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { svelte } from "@sveltejs/vite-plugin-svelte"
import { defineConfig, type Plugin } from "vite"

// Relative addresses, so that the page works wherever it is mounted. Nothing inline, so that the node's
// Content-Security-Policy needs no exceptions for scripts.
export default defineConfig({
  base: "./",
  plugins: [svelte(), compressed()],
  // The SDK and the core come from their sources: the page builds without building them first.
  resolve: { conditions: ["brume-source", "module", "browser", "development|production"] },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
})

/** Beside each asset its compressed forms: the node serves them as they are, and never compresses by itself. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      const assets = join(dir ?? "dist", "assets")
      let gzipped = 0
      for (const name of readdirSync(assets)) {
        const content = readFileSync(join(assets, name))
        const gzip = gzipSync(content, { level: 9 })
        gzipped += gzip.length
        if (content.length < 1_000) continue
        writeFileSync(join(assets, `${name}.gz`), gzip)
        writeFileSync(join(assets, `${name}.br`), brotliCompressSync(content))
      }
      this.info(`all assets together: ${(gzipped / 1_000).toFixed(1)} kB with gzip`)
    },
  }
}
