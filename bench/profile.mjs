/**
 * A CPU profile as tables: self time by function and by area of the program. The main thread alone: RocksDB's and the
 * collector's own threads are in the kernel's count of the process, not here.
 */
const AREAS = [
  ['gc', /^\(garbage collector\)$/, null],
  ['idle', /^\((idle|program|root)\)$/, null],
  [
    'log read',
    null,
    /\/log\/recordBatch\/(reader|cursor|bounds|inflate|varint|aborted|headers)|\/log\/kafka\/(decode|rawRecords|reader|membership|range)/,
  ],
  ['decode', null, /\/codec\/(?!sample)/],
  ['encode', null, /\/codec\/sample/],
  ['join', null, /\/join\//],
  ['actors', null, /\/actors\/(user|users)\.|node_modules\/nact/],
  [
    'journal',
    null,
    /\/journal\/|\/actors\/(segment|store|spill|memory|note|journalRecovery|hashCounts)\.|rocksdb-native/,
  ],
  ['write', null, /\/sinks\/|\/log\/recordBatch\/(builder|compress)|\/log\/kafka\/writer|\/actors\/output\./],
  ['partition loop', null, /\/actors\/|\/cluster\//],
  ['kafkajs', null, /node_modules\/kafkajs|\/log\/kafka\//],
  ['node: sockets, streams', null, /^node:/],
]
const NATIVE_AREAS = [
  ['log read', /decompress|uncompress/i],
  ['write', /^compress/i],
  ['socket writes', /^(writev|writeBuffer|writeUtf8String)$/],
]
const TOP = 40

export function summarize(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])))
  const functions = new Map()
  const areas = new Map()
  let totalUs = 0
  profile.samples.forEach((id, k) => {
    const us = profile.timeDeltas[k]
    const area = areaOf(id, nodes, parents)
    if (area === 'idle') return
    totalUs += us
    const { functionName, url, lineNumber } = nodes.get(id).callFrame
    const name = `${functionName || '(anonymous)'} ${placeOf(url)}${url === '' ? '' : `:${lineNumber + 1}`}`
    functions.set(name, (functions.get(name) ?? 0) + us)
    areas.set(area, (areas.get(area) ?? 0) + us)
  })
  const sorted = (map) =>
    [...map].sort((a, b) => b[1] - a[1]).map(([name, us]) => ({ name, share: us / totalUs, seconds: us / 1e6 }))
  return { busyS: totalUs / 1e6, areas: sorted(areas), functions: sorted(functions).slice(0, TOP) }
}

/** What has no place of its own (native functions, the runtime's helpers) counts for who called it. */
function areaOf(id, nodes, parents) {
  for (let at = id; at !== undefined; at = parents.get(at)) {
    const { functionName, url } = nodes.get(at).callFrame
    for (const [area, name, place] of AREAS) {
      if (
        (name?.test(functionName) && url === '') ||
        (place?.test(url) && !(url.startsWith('node:') && at === id && hasOwnCaller(at, nodes, parents)))
      ) {
        return area
      }
    }
    for (const [area, name] of NATIVE_AREAS) if (url === '' && name.test(functionName)) return area
  }
  return 'other'
}

/** A helper of Node (Buffer.from, subarray) under a function of the program is that function's cost. */
function hasOwnCaller(id, nodes, parents) {
  for (let at = parents.get(id); at !== undefined; at = parents.get(at)) {
    const { url } = nodes.get(at).callFrame
    if (url !== '' && !url.startsWith('node:')) return true
  }
  return false
}

function placeOf(url) {
  return url.replace(/^.*\/(dist|node_modules)\//, (_, folder) => (folder === 'dist' ? '' : `${folder}/`))
}
