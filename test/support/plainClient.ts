/** Clients of kafkajs as it is: what tests write and read by these must not depend on how the product patches it. */
import type { Kafka } from 'kafkajs'
import { kafkajs } from './plainKafkajs.ts'

export function plainKafka(brokers: string): Kafka {
  return new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
}
