/** docs/reference/cli.md, made from the tree of commands and the table of exit codes, so that it cannot be wrong. */

import { type ErrorCode, errorRegistry } from "@brume/core"
import type { Command } from "commander"
import { exitCodeOf, exitCodes } from "./exit-code.ts"
import { plainPaint } from "./paint.ts"
import { createProgram } from "./program.ts"
import type { Output, Terminal } from "./terminal.ts"

export function cliReference(): string {
  const page = pageTerminal()
  const program = createProgram(page.terminal, { exitCode: 0 })
  const commands = leavesOf(program).map((command) => {
    command.outputHelp()
    return `### ${nameOf(command)}\n\n\`\`\`text\n${page.take().trim()}\n\`\`\`\n`
  })
  return `${intro}
## Exit codes

${exitTable()}
## Commands

${commands.join("\n")}`
}

const intro = `# The \`brume\` command

From the repository, after \`npm ci && npm run build\`, it is \`npx brume\`.

Results go to stdout and nothing else does; notices, progress and errors go to stderr. With \`--json\`, stdout is JSON alone
and an error is one problem body ([errors](errors.md)) on stderr. Colours appear on a terminal only; \`NO_COLOR\` turns them
off, \`FORCE_COLOR\` on. Ctrl-C ends a command cleanly, and what it asked of a node as well.

Commands that talk to a node take its address from \`--url\`, else \`BRUME_URL\`, else \`http://127.0.0.1:7777\`, and the
token from the first of these:

1. \`--token\`, though other users of the machine can see it in the process list;
2. \`--token-file\`, a file that holds the secret alone, such as the \`admin-token\` of a data folder;
3. \`BRUME_TOKEN\`, the secret;
4. \`BRUME_TOKEN_FILE\`, a file that holds it;
5. for a node on this machine alone: the \`admin-token\` in \`.brume/node\` (the data folder of \`brume up\`) or
   \`.brume/demo\` (of \`brume demo\`) below the working folder. Where both are there, the one whose node runs is meant.

\`brume up\` keeps its data in \`.brume/node\` below the working folder unless \`--data\`, \`BRUME_STORE__PATH\` or the
configuration names another folder.
`

function exitTable(): string {
  const codes = Object.keys(errorRegistry) as ErrorCode[]
  const rows = Object.entries(exitCodes).map(([exitCode, meaning]) => {
    const errors = codes.filter((code) => exitCodeOf(code) === Number(exitCode))
    return `| ${exitCode} | ${meaning} | ${errors.map((code) => `[\`${code}\`](errors.md#${code})`).join(", ")} |`
  })
  return `| code | meaning | errors |\n|---|---|---|\n${rows.join("\n")}\n`
}

function leavesOf(command: Command): Command[] {
  const children = command.commands.filter((child) => child.name() !== "help")
  return children.length === 0 ? [command] : children.flatMap(leavesOf)
}

function nameOf(command: Command): string {
  const parent = command.parent
  return parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`
}

/** A terminal that is a page: as wide as every other, without a machine around it. */
function pageTerminal(): { readonly terminal: Terminal; take(): string } {
  let text = ""
  const out: Output = {
    isTerminal: false,
    columns: 100,
    paint: plainPaint,
    async write(piece) {
      text += typeof piece === "string" ? piece : new TextDecoder().decode(piece)
    },
  }
  return {
    terminal: {
      environment: {},
      folder: "",
      input: noInput(),
      isInputTerminal: false,
      readHidden: async () => "",
      out,
      notes: out,
      signal: new AbortController().signal,
      releaseSignals: () => {},
    },
    take() {
      const taken = text
      text = ""
      return taken
    },
  }
}

async function* noInput(): AsyncGenerator<Uint8Array, void, undefined> {}
