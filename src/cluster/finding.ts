/** What a check before the start has found, of one thing. */
export interface Finding {
  /** What was looked at: `topics`, `partitions`, `retention`, ... */
  readonly check: string
  /** The topic, or whatever else it is about. */
  readonly subject: string
  /** A problem stops the start; a warning is told. */
  readonly state: 'ok' | 'warning' | 'problem'
  readonly message: string
}

/** Wrong set-up: the start ends with it, and with exit code 2. */
export class SetupError extends Error {
  readonly findings: readonly Finding[]
  constructor(findings: readonly Finding[]) {
    super(findings.map((finding) => finding.message).join('\n'))
    this.name = 'SetupError'
    this.findings = findings
  }
}
