/** Partition numbers as short text: `0-3,7`. Pure. */
const PART = /^(\d{1,9})(?:-(\d{1,9}))?$/
/** Of one text: a range from elsewhere must not fill the memory. */
const MOST = 100_000

export function formatNumbers(numbers: readonly number[]): string {
  const parts: string[] = []
  const sorted = [...numbers].sort((a, b) => a - b)
  for (let i = 0; i < sorted.length; ) {
    let last = i
    while (last + 1 < sorted.length && sorted[last + 1] === sorted[last] + 1) last++
    parts.push(last === i ? String(sorted[i]) : `${sorted[i]}-${sorted[last]}`)
    i = last + 1
  }
  return parts.join(',')
}

/** Throws where the text is none of `formatNumbers`. */
export function parseNumbers(text: string): number[] {
  const numbers: number[] = []
  for (const part of text === '' ? [] : text.split(',')) {
    const [, from, to = from] = PART.exec(part) ?? []
    if (from === undefined || Number(to) - Number(from) + numbers.length >= MOST) {
      throw new RangeError(`${part} is no range of partitions`)
    }
    for (let number = Number(from); number <= Number(to); number++) numbers.push(number)
  }
  return numbers
}
