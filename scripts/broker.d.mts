/** Types of broker.mjs, for the tests and benchmarks that import it. */
export interface BrokerOptions {
  readonly port?: number
  /** Kept at stop; default: a fresh temporary folder, removed at stop. */
  readonly dir?: string
  /** A core for taskset. */
  readonly cpu?: string
  /** For minutes of little traffic: a third of the CPU to start, slower once warm. */
  readonly isBrief?: boolean
  readonly partitionsDefault?: number
  /** Beside the plain one, as `SSL://127.0.0.1:PORT`. */
  readonly listeners?: readonly string[]
  /** Users with SCRAM credentials, as StorageTool takes them: `SCRAM-SHA-256=[name=alice,password=...]`. */
  readonly scram?: readonly string[]
  /** Further lines of server.properties; later ones win. */
  readonly extra?: readonly string[]
  /** Whose cluster it becomes the second broker of. */
  readonly joins?: Broker
}

export interface Broker {
  readonly brokers: string
  readonly port: number
  readonly dir: string
  readonly pid: number | null
  stop(): Promise<void>
  kill(): Promise<void>
  restart(): Promise<void>
  signal(name: NodeJS.Signals): void
}

export function missingTools(): Promise<string | null>
export function requireBroker(): Promise<void>
/** Below those that the system gives to whoever asks for any. */
export function freePort(): Promise<number>
export function startBroker(options?: BrokerOptions): Promise<Broker>
