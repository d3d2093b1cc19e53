/** The page: asks the node every few seconds and shows what it says; nothing while nobody looks. */
import { forgetToken, get, hasToken, keepToken, Refused } from './api.js'
import { showCharts } from './charts.js'
import { showClocks } from './clocks.js'
import { showDelays } from './delays.js'
import { at } from './dom.js'
import { time } from './format.js'
import { showHeader } from './header.js'
import { addUp, showLedger } from './ledger.js'
import { lookUp, startLookup } from './lookup.js'
import { showNodes } from './nodes.js'
import { showRing } from './ring.js'
import { showTail } from './tail.js'

const EVERY_MS = 2000
/** Of the looks: delays change slowly. */
const DELAYS_EVERY = 5
let looks = 0
let isLooking = false
let isStarted = false

async function look() {
  if (isLooking || document.hidden || !at('token').hidden) return
  isLooking = true
  try {
    showAll(await get('/overview'))
    if (looks++ % DELAYS_EVERY === 0) showDelays(await get('/overview/delays').catch(onlyMissing))
    await showTail()
  } catch (error) {
    failed(error)
  } finally {
    isLooking = false
  }
}

function showAll(overview) {
  at('trouble').hidden = true
  at('main').hidden = false
  const ledger = addUp(overview.nodes)
  showHeader(overview, ledger)
  showRing(overview)
  showNodes(overview)
  showCharts(overview.nodes)
  showClocks(overview)
  showLedger(ledger)
  at('footer').textContent = `As of ${time(overview.atMs)} UTC, told by ${overview.node}. All times are UTC.`
  if (!isStarted) lookUp()
  isStarted = true
}

/** What this node does not have is left out of the page. */
function onlyMissing(error) {
  if (error instanceof Refused && error.status === 404) return null
  throw error
}

function failed(error) {
  if (error instanceof Refused && (error.status === 401 || error.status === 403)) return askForToken(error)
  at('trouble').hidden = false
  const what = error instanceof Refused ? error.message : 'it cannot be reached'
  at('trouble').textContent = `This node does not answer: ${what}. What is shown below is no longer what is.`
}

function askForToken(error) {
  at('token-why').textContent = hasToken() ? `The last one was refused: ${error.message}.` : ''
  forgetToken()
  at('main').hidden = true
  at('token').hidden = false
  at('token-text').focus()
  at('footer').textContent = ''
}

at('token').addEventListener('submit', (event) => {
  event.preventDefault()
  keepToken(at('token-text').value.trim())
  at('token-text').value = ''
  at('token').hidden = true
  isStarted = false
  look()
})
document.addEventListener('visibilitychange', look)
startLookup()
look()
setInterval(look, EVERY_MS)
