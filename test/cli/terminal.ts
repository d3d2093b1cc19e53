/** Runs something with one of this process's streams taken for a terminal. */
export async function asTerminal<T>(name: 'stdout' | 'stderr', run: () => Promise<T>): Promise<T> {
  const stream = process[name]
  const own = Object.getOwnPropertyDescriptor(stream, 'isTTY')
  Object.defineProperty(stream, 'isTTY', { value: true, configurable: true })
  try {
    return await run()
  } finally {
    if (own === undefined) Reflect.deleteProperty(stream, 'isTTY')
    else Object.defineProperty(stream, 'isTTY', own)
  }
}
