/**
 * Where the nodes of a data folder are reached: one small file a node, `nodes/<id>.json`, written when its control
 * server listens and removed when it closes.
 *
 * Invariant: a file is replaced whole. One that a killed process left behind is told by its process being gone.
 *
 * How it fails: a file that cannot be read is no node; writing rejects.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

const addressShape = z.object({
  id: z.string(),
  url: z.url({ protocol: /^https?$/ }),
  pid: z.int().positive(),
  startedAt: z.string(),
})

export type NodeAddress = Readonly<z.infer<typeof addressShape>>

export async function writeAddress(dataDir: string, address: NodeAddress): Promise<void> {
  const folder = folderOf(dataDir)
  const path = pathOf(dataDir, address.id)
  const unfinished = `${path}.${randomUUID()}~`
  await mkdir(folder, { recursive: true })
  await writeFile(unfinished, `${JSON.stringify(address, null, 2)}\n`)
  await rename(unfinished, path)
}

/** Removes the node's file, unless another process has meanwhile written its own there. */
export async function removeAddress(dataDir: string, address: NodeAddress): Promise<void> {
  const path = pathOf(dataDir, address.id)
  const found = await read(path)
  if (found?.pid === address.pid && found.startedAt === address.startedAt) await rm(path, { force: true })
}

/** The nodes whose processes live, by id: of this data folder, and of those below it (`--nodes`). */
export async function findNodes(dataDir: string): Promise<readonly NodeAddress[]> {
  const folders = [dataDir, ...(await foldersIn(dataDir)).map((name) => join(dataDir, name))]
  const found = (await Promise.all(folders.map(nodesOf))).flat()
  return found.filter((address) => isAlive(address.pid)).sort((a, b) => (a.id < b.id ? -1 : 1))
}

async function foldersIn(dataDir: string): Promise<readonly string[]> {
  const entries = await readdir(dataDir, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

async function nodesOf(dataDir: string): Promise<readonly NodeAddress[]> {
  const folder = folderOf(dataDir)
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
  const files = names.filter((name) => name.endsWith('.json'))
  const found = await Promise.all(files.map((name) => read(join(folder, name))))
  return found.filter((address) => address !== undefined)
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'nodes')
}

/** Ids are free text; as a file's name nothing in them may point elsewhere. */
function pathOf(dataDir: string, id: string): string {
  return join(folderOf(dataDir), `${encodeURIComponent(id).replaceAll('*', '%2A')}.json`)
}

async function read(path: string): Promise<NodeAddress | undefined> {
  try {
    return addressShape.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It lives, as somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
