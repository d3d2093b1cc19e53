/** A log of which some partitions have no leader. As with Kafka's, its readers can ask for the assignment again. */
import { noLeader } from '../../src/log/leaderless.ts'
import type { Log, Reader, ReaderOptions, TopicPartition } from '../../src/log/port.ts'
import { proxied } from './proxied.ts'

export function leaderlessLog(real: Log, isAway: (place: TopicPartition) => boolean): Log {
  return proxied(real, {
    ends: async (topics, of) => {
      const ends = await real.ends(topics)
      const away = ends.find(isAway)
      if (of !== 'led' && away !== undefined) throw noLeader(away)
      return ends.filter((end) => !isAway(end))
    },
    reader: (options) => rejoining(real, options),
  })
}

function rejoining(real: Log, options: ReaderOptions): Reader {
  let inner = real.reader(options)
  const again = async (): Promise<void> => {
    await options.onRevoking([])
    await inner.close()
    inner = real.reader(options)
    await inner.start()
  }
  return {
    start: () => inner.start(),
    commit: (entries) => inner.commit(entries),
    pause: (partition) => inner.pause(partition),
    resume: (partition) => inner.resume(partition),
    rejoin: () => void again(),
    close: () => inner.close(),
  }
}
