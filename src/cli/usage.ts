/** Wrong use: the program ends with exit code 2 and this one line. */
export class UsageError extends Error {
  override name = 'UsageError'
}
