/**
 * Processes that must not outlive this one, however it ends: a runner that cuts a test off kills it with SIGKILL, after
 * which nothing of it runs any more.
 *
 * Owns: a watchdog, whose standard input is this process's pipe; when the pipe closes it kills whoever is still named.
 * Invariant: who has ended is not named any more, so no number that came to be another's is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'

const WATCHDOG = `
  while read -r what pid; do
    case $what in
      came) pids="$pids $pid" ;;
      went) left=; for one in $pids; do [ "$one" = "$pid" ] || left="$left $one"; done; pids=$left ;;
    esac
  done
  [ -z "$pids" ] || kill -9 $pids`

let watchdog: ChildProcess | undefined

export function endsWithUs(child: ChildProcess): void {
  // Where it could not be started, its own error says so.
  if (child.pid === undefined) return
  watchdog ??= watch()
  watchdog.stdin!.write(`came ${child.pid}\n`)
  child.once('exit', () => void watchdog!.stdin!.write(`went ${child.pid}\n`))
}

function watch(): ChildProcess {
  const process = spawn('sh', ['-c', WATCHDOG], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  process.unref()
  const { stdin } = process as unknown as { stdin: { unref(): void } }
  stdin.unref()
  return process
}
