/** Waiting for something no longer than so many milliseconds: undefined where it has not come by then. */
export async function within<T>(something: Promise<T>, patienceMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), patienceMs)
  })
  try {
    return await Promise.race([something, over])
  } finally {
    clearTimeout(timer)
  }
}
