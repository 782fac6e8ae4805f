/** Completion scripts, made from the tree of commands: verbs, their sub-commands and flags. */
import type { Command } from "commander"
import { usageError } from "./failure.ts"

interface Place {
  /** Words of the command, e.g. `token create`; empty for the root. */
  readonly path: string
  readonly words: readonly string[]
}

export function completionScript(shell: string, program: Command): string {
  const places = placesOf(program, [])
  switch (shell) {
    case "bash":
      return bashScript(places)
    case "zsh":
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`
    case "fish":
      return fishScript(places)
    default:
      throw usageError(`There is no completion for ${JSON.stringify(shell)}`, "Shells are bash, zsh and fish.")
  }
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const children = command.commands.filter((child) => child.name() !== "help")
  const flags = [...command.options.flatMap(({ long }) => long ?? []), "--help"]
  const own = { path: path.join(" "), words: [...children.map((child) => child.name()), ...flags] }
  return [own, ...children.flatMap((child) => placesOf(child, [...path, child.name()]))]
}

function bashScript(places: readonly Place[]): string {
  const cases = places.map(({ path, words }) => `    ${JSON.stringify(path)}) words="${words.join(" ")}" ;;`)
  return `_brume() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) case "$path" in *" "*) ;; *) path="\${path:+$path }$word" ;; esac ;; esac
  done
  case "$path" in
${cases.join("\n")}
    *) case "\${path%% *}" in
${places
  .filter(({ path }) => path !== "" && !path.includes(" "))
  .map(({ path, words }) => `      ${path}) words="${words.join(" ")}" ;;`)
  .join("\n")}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _brume brume
`
}

function fishScript(places: readonly Place[]): string {
  const lines = places.map(({ path, words }) => {
    const condition = path === "" ? "__fish_use_subcommand" : path.split(" ").map(seen).join("; and ")
    return `complete -c brume -n '${condition}' -a '${words.join(" ")}'`
  })
  return `${lines.join("\n")}\n`
}

const seen = (word: string): string => `__fish_seen_subcommand_from ${word}`
