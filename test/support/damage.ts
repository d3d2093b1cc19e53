/** Harm to a folder's files: cut short, or with bytes turned over, or gone; from a seed. */
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from './random.ts'

const FLIPPED_BYTES = 8

/** The last word of a node that found its journal damaged, by a read of its own, or when it wrote, by RocksDB's. */
export const DAMAGE_FOUND = /^postview: (the journal cannot be written: )?journal: /m

/** Harms one to three of the files in the folder that hold something. Returns what was done. */
export async function damageFiles(folder: string, random: Random): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).sort()
  const files: { path: string; name: string; size: number }[] = []
  for (const name of names) {
    const { size } = await stat(join(folder, name))
    if (size > 0) files.push({ path: join(folder, name), name, size })
  }
  const done: string[] = []
  for (let k = 1 + random.below(3); k > 0 && files.length > 0; k--) {
    const [{ path, name, size }] = files.splice(random.below(files.length), 1)
    const way = random.below(5)
    if (way < 2) {
      const at = random.below(size)
      await truncate(path, at)
      done.push(`${name} cut to ${at} of ${size} bytes`)
    } else if (way < 4) {
      const bytes = await readFile(path)
      for (let n = 0; n < FLIPPED_BYTES; n++) bytes[random.below(size)] ^= 1 << random.below(8)
      await writeFile(path, bytes)
      done.push(`${name} with bytes turned over`)
    } else {
      await rm(path)
      done.push(`${name} deleted`)
    }
  }
  return done
}
