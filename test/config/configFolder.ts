/** A configuration folder of a test: a small valid pipeline, and changes to it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { type Config, loadConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problem.ts'

export const BASE = `
name: feed
sources:
  views:
    topic: views
    format: { type: json }
    fields: { viewId: view_id, userId: user_id, itemId: item_id, time: event_time }
  engagements:
    - topic: engagements
      format: { type: json }
      fields: { userId: user_id, itemId: item_id, time: event_time, type: type, value: value }
labels:
  click: { on: click, within: 10m }
sinks:
  - { type: kafka, topic: samples }
`

export class ConfigFolder {
  path = mkdtempSync(join(tmpdir(), 'postview-config-'))

  /** Writes the base with values put at dotted paths (undefined takes a key away), and node.yaml where it is given. */
  write(changes: Record<string, unknown> = {}, node?: string): void {
    const raw = parse(BASE)
    for (const [path, value] of Object.entries(changes)) {
      const parts = path.split('.')
      let at = raw
      for (const part of parts.slice(0, -1)) at = at[part] ??= {}
      if (value === undefined) delete at[parts.at(-1)!]
      else at[parts.at(-1)!] = value
    }
    writeFileSync(join(this.path, 'pipeline.yaml'), stringify(raw))
    if (node !== undefined) writeFileSync(join(this.path, 'node.yaml'), node)
  }

  load(env: NodeJS.ProcessEnv = {}): Config {
    return loadConfig(this.path, env)
  }

  /** The error with which the configuration is refused. */
  refusal(env: NodeJS.ProcessEnv = {}): ConfigError {
    try {
      this.load(env)
    } catch (error) {
      if (error instanceof ConfigError) return error
      throw error
    }
    throw new Error('the configuration was accepted')
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
