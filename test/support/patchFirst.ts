/** For test files that share a process: kafkajs is patched before any of them loads it. */
import '../../src/log/kafka/patch.ts'
