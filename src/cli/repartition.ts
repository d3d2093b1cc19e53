/** `postview repartition`: rewrites the sources into the consolidated topic, beside nodes that only join. */
import type { Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { runRepartitioner } from '../repartition/process.ts'
import { UsageError } from './usage.ts'

export function addRepartition(program: Command): void {
  program
    .command('repartition')
    .description('rewrite the sources, keyed by user, into the topic that repartition.topic names; nodes join it')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--id <name>', "this process's name", 'repartitioner-1')
    .action(async (options: { config: string; id: string }) => {
      const config = loadConfig(options.config, process.env)
      if (config.pipeline.repartition === undefined) {
        throw new UsageError(`${options.config}/pipeline.yaml has no repartition: { topic: NAME }`)
      }
      if (config.node.kafka === undefined) {
        throw new UsageError('on the embedded log the node itself repartitions: one process has its folder at a time')
      }
      process.exit(await runRepartitioner(config, options.id))
    })
}
