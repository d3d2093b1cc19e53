/** `node cluster start` and `node cluster status`. */
import type { Command } from 'commander'
import { startNode } from '../cluster/process.ts'
import { loadConfig } from '../config/load.ts'
import { addStatus } from './status.ts'
import { UsageError } from './usage.ts'

export function addCluster(program: Command): void {
  const cluster = program.command('cluster').description('run nodes, and see how they are')
  addStatus(cluster)
  cluster
    .command('start')
    .description('run a node; ends cleanly on SIGTERM and SIGINT')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--nodes <n>', 'how many nodes', '1')
    .option('--id <name>', "the node's name", 'node-1')
    .action(async (options: { config: string; nodes: string; id: string }) => {
      if (options.nodes !== '1') throw new UsageError(`--nodes ${options.nodes}: more than one node is not built yet`)
      // Everything is closed by then; what the Kafka client leaves half open must not keep the process.
      process.exit(await startNode(loadConfig(options.config, process.env), options.id))
    })
}
