/**
 * bubblewrap: own processes, network, names, and a file system that has the system's programs, read-only, and nothing else.
 *
 * - B1 Everything in the sandbox dies with bubblewrap, and bubblewrap with the daemon.
 * - B2 The system's limit of processes binds users other than root alone. So a daemon that is root gives each instance a
 *   user of its own, a number that nobody else has; one that is not gets a user namespace, which counts for itself.
 * - B3 What is hidden is hidden even below a folder that is shown.
 */

import type { Launch, Shape } from "../driver.ts"
import type { Command } from "../starter.ts"
import { environment, limited, type Sandbox, temporaryBytes } from "./sandbox.ts"

export interface BubblewrapOptions {
  readonly bubblewrap: string
  readonly prlimit: string
  readonly setpriv: string
  readonly isRoot: boolean
  /** The data folder. */
  readonly hidden: readonly string[]
}

/** Programs and libraries. /etc is not here: it may hold secrets of the machine. */
const systemFolders = ["/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin"]
/** Of /etc, what libraries want: fonts of libraries, time, certificates. */
const systemFiles = ["/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/alternatives"]
const networkFiles = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/ca-certificates"]
/** Numbers of users that no system gives to anybody. */
const firstUser = 2_000_000_000
const users = 100_000_000

export function createBubblewrap(options: BubblewrapOptions): Sandbox {
  // Nodes of one machine begin at different places, so that their instances are not of one user.
  let user = process.pid % users
  return {
    name: "bubblewrap",
    wrap: (launch, shape) => {
      user = (user + 1) % users
      return commandOf(options, { launch, shape, user: firstUser + user })
    },
  }
}

function commandOf(
  { bubblewrap, prlimit, setpriv, isRoot, hidden }: BubblewrapOptions,
  { launch, shape, user }: { readonly launch: Launch; readonly shape: Shape; readonly user: number },
): Command {
  const { command, paths, dataMiB } = launch
  const shown = [...systemFolders, ...systemFiles, ...(shape.network ? networkFiles : [])]
  const wanted = paths.filter((path) => path !== "/" && !isBelow(path, systemFolders))
  const own = isRoot
    ? ["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"]
    : ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
  const becoming = isRoot
    ? [setpriv, `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--inh-caps=-all", "--no-new-privs", "--"]
    : []
  return {
    file: bubblewrap,
    args: [
      ...own,
      ...(isRoot ? ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] : []),
      ...(shape.network ? [] : ["--unshare-net"]),
      "--die-with-parent",
      "--new-session",
      "--clearenv",
      ...Object.entries({ ...environment, ...command.environment }).flatMap(([name, value]) => [
        "--setenv",
        name,
        value,
      ]),
      // First: the interpreter may lie below it.
      ...["--perms", "1777", "--size", String(temporaryBytes), "--tmpfs", "/tmp"],
      ...foldersAbove([...shown, ...wanted]).flatMap((path) => ["--perms", "0755", "--dir", path]),
      ...shown.flatMap((path) => ["--ro-bind-try", path, path]),
      ...wanted.flatMap((path) => ["--ro-bind", path, path]),
      "--proc",
      "/proc",
      "--dev",
      "/dev",
      ...hidden.filter((path) => isBelow(path, [...systemFolders, ...wanted])).flatMap((path) => ["--tmpfs", path]),
      "--chdir",
      "/tmp",
      "--",
      ...becoming,
      ...limited(prlimit, dataMiB),
      command.file,
      ...command.args,
    ],
    environment: {},
  }
}

function isBelow(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => `${path}/`.startsWith(`${folder}/`))
}

/** What bubblewrap would make for its user alone, which inside of a daemon that is root is another. */
function foldersAbove(paths: readonly string[]): string[] {
  const folders = new Set<string>()
  for (const path of paths)
    for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) folders.add(path.slice(0, end))
  return [...folders]
}
