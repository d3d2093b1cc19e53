/** `node cluster start` and `node cluster status`. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { type AcceptedLoss, formatLoss, parseLoss } from '../actors/loss.ts'
import { loadToRun } from '../cluster/loadToRun.ts'
import { makeLogger } from '../cluster/logger.ts'
import { type ChildSpec, runNodes } from '../cluster/parent.ts'
import { startNode } from '../cluster/process.ts'
import { variableOf } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import { addStatus } from './status.ts'
import { UsageError } from './usage.ts'

function collect(text: string, before: readonly AcceptedLoss[]): readonly AcceptedLoss[] {
  const loss = parseLoss(text)
  if (loss === undefined) throw new UsageError(`--accept-loss ${text}: must be topic:partition:from-to`)
  return [...before, loss]
}

const NODES_MOST = 64
const DEFAULT_NAME = 'node'

interface StartOptions {
  readonly config: string
  readonly nodes: string
  readonly id?: string
  readonly allowPipelineChange?: boolean
  readonly repartition: boolean
  readonly acceptLoss: readonly AcceptedLoss[]
}

export function addCluster(program: Command): void {
  const cluster = program.command('cluster').description('run nodes, and see how they are')
  addStatus(cluster)
  cluster
    .command('start')
    .description('run nodes; ends cleanly on SIGTERM and SIGINT')
    .option('--config <folder>', 'configuration folder', 'config')
    .option('--nodes <n>', 'how many nodes, each a process of its own', '1')
    .option('--id <name>', "the node's name (node-1); of several, what their names begin with (node)")
    .option('--no-repartition', 'only join the consolidated topic: `postview repartition` processes write it')
    .option('--allow-pipeline-change', 'work beside nodes of another pipeline, where the change can be rolled out')
    .option('--accept-loss <range>', 'go on without these events: topic:partition:from-to', collect, [])
    .action(async (options: StartOptions) => {
      const nodes = countOf(options.nodes)
      const config = await loadToRun(options.config, process.env)
      if (nodes > 1 && config.node.kafka === undefined) {
        throw new UsageError(
          `--nodes ${nodes}: the embedded log is one process's own; several nodes need kafka.brokers`,
        )
      }
      const id = options.id ?? (nodes === 1 ? `${DEFAULT_NAME}-1` : DEFAULT_NAME)
      const running =
        nodes === 1
          ? startNode(config, id, {
              allowChange: options.allowPipelineChange,
              repartitions: options.repartition,
              acceptLoss: options.acceptLoss,
            })
          : runNodes({
              children: childrenOf(options, nodes, id, config),
              logger: makeLogger(config.node.log.level, { parent: id }),
            })
      // Everything is closed by then; what the Kafka client leaves half open must not keep the process.
      process.exit(await running)
    })
}

function countOf(text: string): number {
  const nodes = Number(text)
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MOST) return nodes
  throw new UsageError(`--nodes ${text}: must be a number from 1 to ${NODES_MOST}`)
}

/** Each has a data folder of its own below the configured one; control ports count up from the configured one. */
function childrenOf(options: StartOptions, nodes: number, name: string, { node }: Config): ChildSpec[] {
  if (node.control.port + nodes - 1 > 65_535) {
    throw new UsageError(
      `--nodes ${nodes}: control ports count up from control.port ${node.control.port}, beyond 65535`,
    )
  }
  return Array.from({ length: nodes }, (_, i) => {
    const id = `${name}-${i + 1}`
    const port = node.control.port === 0 ? 0 : node.control.port + i
    return {
      id,
      args: [
        ...['cluster', 'start', '--config', options.config, '--id', id],
        ...(options.allowPipelineChange ? ['--allow-pipeline-change'] : []),
        ...(options.repartition ? [] : ['--no-repartition']),
        ...options.acceptLoss.flatMap((loss) => ['--accept-loss', formatLoss(loss)]),
      ],
      env: {
        [variableOf(['dataDir'])]: join(node.dataDir, encodeURIComponent(id)),
        [variableOf(['control', 'port'])]: String(port),
      },
    }
  })
}
