/**
 * The two ways in which a codec fails.
 *
 * `SchemaError`: the schema and the field map do not fit together, or a schema is not one. It is the configuration's
 * fault (or a writer's) and is thrown once, when a plan is compiled.
 * `Refusal`: what one record holds cannot be read. Thrown inside a codec and caught at its boundary, where it becomes
 * the record's reason. It is no Error: a stack trace for each of a million hostile records would be the attack.
 */
export class SchemaError extends Error {
  override name = 'SchemaError'
}

export class Refusal {
  readonly reason: string
  /** Whether the reason begins with a field's path. */
  readonly hasPath: boolean

  constructor(reason: string, hasPath = false) {
    this.reason = reason
    this.hasPath = hasPath
  }
}
