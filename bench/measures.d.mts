/** Types of measures.mjs, for the long tests that use it. */
import type { Built } from './topics.mjs'

export interface World {
  /** For configurations and data. */
  readonly folder: string
  /** Holds dist. */
  readonly program: string
  readonly built: Built
  readonly brokers: string
  /** The Node that runs what is measured. */
  readonly node: string
}

export function writeConfig(
  world: World,
  name: string,
  options: {
    readonly topics: readonly string[]
    readonly output: string
    readonly within?: string
    readonly time?: object
    readonly memory?: object
    readonly kafka?: object
    readonly more?: object
    readonly pipeline?: string
  },
): string
export function sampleSchemaOf(world: World, configFolder: string): Promise<object>
