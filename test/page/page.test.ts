/// <reference lib="dom" />
/** The page in a real Chromium, served by real nodes. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SharedBroker, sharedBroker, uniqueName } from '../support/broker.ts'
import { hasBrowser, openBrowser, openPage, overflowOf, type Watched } from '../support/browser.ts'
import { NodeProcess } from '../support/nodeProcess.ts'
import { everyOutcome, HOSTILE, makeTopics, post, writeWorld } from '../support/pageWorld.ts'
import { buildProgram, type Program } from '../support/program.ts'
import { type TempDir, tempDir } from '../support/tempDir.ts'

const TOKENS = { read: 'read-token-of-the-page', operate: 'operate-token-of-the-page' }
const NAME = 'page'
const WAIT = { timeout: 20_000 }

let browser: Browser
let dir: TempDir
let program: Program
let node: NodeProcess
let url: string
const open: Watched[] = []

beforeAll(async () => {
  if (!hasBrowser) return
  dir = await tempDir()
  program = await buildProgram()
  browser = await openBrowser()
  process.env.PAGE_READ_TOKEN = TOKENS.read
  process.env.PAGE_OPERATE_TOKEN = TOKENS.operate
  const tokens = { read: 'env:PAGE_READ_TOKEN', operate: 'env:PAGE_OPERATE_TOKEN' }
  node = new NodeProcess(
    program.folder,
    await writeWorld(dir.path, { name: NAME, node: { control: { port: 0, tokens } } }),
  )
  url = await node.ready
})
afterAll(async () => {
  await browser?.close()
  await node?.terminate()
  await program?.remove()
  await dir?.remove()
})

/** Where there is no browser it says so (support/browser.ts); on CI it fails. */
function inBrowser(name: string, run: () => Promise<void>, timeoutMs = 60_000): void {
  it(name, { timeout: timeoutMs }, async () => {
    if (!hasBrowser) return
    try {
      await run()
      expect(open.flatMap(({ errors }) => errors)).toEqual([])
    } finally {
      for (const { page } of open.splice(0)) {
        // The page asks every second: a route may be under way, whose failure nobody would wait for.
        await page.unrouteAll({ behavior: 'ignoreErrors' })
        await page.context().close()
      }
    }
  })
}

async function visit(hash = '', options: Parameters<typeof openPage>[2] & { at?: string; token?: string | null } = {}) {
  const { at = url, token = TOKENS.read, ...rest } = options
  const watched = await openPage(browser, at, rest)
  open.push(watched)
  const { page } = watched
  if (token !== null) await page.addInitScript((text) => sessionStorage.setItem('postview.token', text), token)
  await page.goto(`${at}/${hash}`)
  return page
}

let views = 0
async function send(count: number): Promise<void> {
  const now = Date.now()
  const events = Array.from({ length: count }, () => {
    const id = String(views++)
    return { view_id: `view-${id}`, user_id: `user-${Number(id) % 7}`, item_id: `item-${id}`, event_time: now - 20 }
  })
  const hostile = { view_id: `${HOSTILE}${views}`, user_id: HOSTILE, item_id: HOSTILE, event_time: now - 20 }
  await post(url, `${NAME}-views`, [...events, hostile], TOKENS.operate)
  const clicks = events
    .slice(0, count / 2)
    .map((event) => ({ ...event, event_time: now - 10, type: 'click', value: 1 }))
  await post(url, `${NAME}-engagements`, clicks, TOKENS.operate)
}

describe('the page', () => {
  inBrowser('asks for a token, says when it is refused, and keeps it in the tab alone', async () => {
    const page = await visit('', { token: null })
    const field = page.getByLabel(/Token with the role/)
    await field.waitFor(WAIT)
    expect(await page.locator('main').isVisible()).toBe(false)
    const shown = await page.evaluate(() =>
      [...document.querySelectorAll('[hidden]')]
        .filter((one) => getComputedStyle(one).display !== 'none')
        .map(({ id }) => id),
    )
    expect(shown).toEqual([])
    await field.fill('wrong-token-of-the-page')
    await page.keyboard.press('Enter')
    await page.getByText('The last one was refused').waitFor(WAIT)
    await field.fill(TOKENS.read)
    await page.keyboard.press('Enter')
    await page.getByText('4 of 4 partitions live').waitFor(WAIT)
    const kept = await page.evaluate(() => ({
      ...sessionStorage,
      local: localStorage.length,
      cookies: document.cookie,
    }))
    expect(kept).toEqual({ 'postview.token': TOKENS.read, local: 0, cookies: '' })
    expect(page.url()).not.toContain(TOKENS.read)
  })

  inBrowser('shows nodes, partitions, clocks and a ledger that balances, and follows what comes in', async () => {
    const page = await visit()
    await page.getByText('1 node answers').waitFor(WAIT)
    expect(await page.locator('#ring path').count()).toBe(4)
    expect(await page.locator('#ring svg').getAttribute('aria-label')).toMatch(/A node-1: 0, 1, 2, 3/)
    const viewsBefore = await countOf(page, 'views')
    await send(40)
    await page.waitForFunction(
      (before) => Number(/([\d,]+) views =/.exec(document.body.innerText)?.[1].replaceAll(',', '')) >= before + 41,
      viewsBefore,
      WAIT,
    )
    await page.getByText('the ledger balances').waitFor(WAIT)
    expect(await page.locator('#clocks tbody tr').count()).toBe(2)
    expect(await page.locator('#clocks').innerText()).toMatch(/The furthest behind is partition \d/)
    for (const id of ['rate', 'lag', 'pending', 'watermark']) {
      await page.locator(`#chart-${id} canvas`).waitFor(WAIT)
      expect(await page.locator(`#chart-${id} .plot`).getAttribute('aria-label')).toMatch(/: (nothing yet|.* now )/)
    }
    await page.waitForFunction(() => /click/.test(document.getElementById('delays')?.innerText ?? ''), undefined, WAIT)
  })

  inBrowser('shows samples as they come, explains one, and looks up its user, as the node tells them', async () => {
    const page = await visit()
    await page.getByText('1 node answers').waitFor(WAIT)
    await send(40)
    const row = page.locator('#tail tbody tr').filter({ hasText: 'click 1 after 10 ms' }).first()
    await row.waitFor(WAIT)
    await row.locator('[data-look=sample]').click()
    await page.locator('.timeline .mark.counted').first().waitFor(WAIT)
    expect(await page.locator('#answer .lead').innerText()).toMatch(/sealed/)
    expect(await page.getByRole('table', { name: 'Labels' }).locator('tbody tr').first().innerText()).toMatch(
      /click\s+1/,
    )
    await page.locator('#answer [data-look=user]').click()
    await page.getByText('Engagements that wait').waitFor(WAIT)
    expect(await page.locator('#answer-title').innerText()).toMatch(/^User user-\d$/)
    await page.getByLabel('Its id').fill(HOSTILE)
    await page.keyboard.press('Enter')
    await page.waitForFunction(
      () => document.getElementById('answer-title')?.textContent?.includes('<img'),
      undefined,
      WAIT,
    )
    await page.getByText('Engagements that wait').waitFor(WAIT)
    expect(await page.locator('#answer img').count()).toBe(0)
    expect(await page.title()).toMatch(/^Postview/)
  })

  inBrowser('draws an explanation as a time line, and takes no text for more than text', async () => {
    const page = await visit()
    await page.route('**/explain/*', (route) => route.fulfill({ json: everyOutcome() }))
    await page.getByText('1 node answers').waitFor(WAIT)
    await page.getByLabel('What to look up').selectOption('sample')
    await page.getByLabel('Its id').fill(HOSTILE)
    await page.getByRole('button', { name: 'Look up' }).click()
    await page.locator('.timeline').first().waitFor(WAIT)
    expect(await page.locator('.timeline .window').count()).toBe(2)
    for (const outcome of ['counted', 'duplicate', 'waiting', 'otherView', 'outside', 'unused', 'late', 'orphan']) {
      expect(await page.locator(`.timeline .mark.${outcome}`).count(), outcome).toBeGreaterThan(0)
    }
    expect(await page.locator('.timeline .at-seal').count()).toBeGreaterThan(0)
    expect(await page.locator('.timeline .at-deadline').count()).toBe(1)
    expect(await page.getByRole('table', { name: 'Engagements' }).locator('tbody tr').count()).toBe(10)
    expect(await page.getByRole('table', { name: 'Labels' }).locator('thead').innerText()).toContain('counted (no.)')
    // A place breaks behind its topic, never within its numbers.
    const broken = await page.locator('#answer .place').evaluateAll((places) =>
      places.filter(({ lastChild }) => {
        const range = document.createRange()
        range.selectNodeContents(lastChild!)
        return range.getClientRects().length !== 1
      }),
    )
    expect(broken).toEqual([])
    expect(await page.locator('#answer img, #answer script').count()).toBe(0)
    expect(await page.title()).toMatch(/^Postview/)
    expect(await page.locator('#answer-title').innerText()).toContain(HOSTILE.slice(0, 20))
    expect(decodeURIComponent(new URL(page.url()).hash)).toBe(`#sample=${HOSTILE}`)
    // What another view's engagement belongs to is one step away, and the browser's own back leads back.
    await page.locator('#answer [data-look=sample]').click()
    await page.waitForFunction(() => location.hash.startsWith('#sample=other'), undefined, WAIT)
    await page.goBack()
    await page.waitForFunction(() => !location.hash.startsWith('#sample=other'), undefined, WAIT)
    await page.getByRole('button', { name: 'Close' }).click()
    expect(await page.locator('#answer').isVisible()).toBe(false)
  })

  inBrowser('says in the node’s words what cannot be looked up', async () => {
    const page = await visit(`#sample=${encodeURIComponent('no such')}`)
    await page.route('**/explain/*', (route) => route.fulfill({ status: 503, json: { error: `busy ${HOSTILE}` } }))
    await page.reload()
    await page.getByRole('alert').filter({ hasText: 'busy <img' }).waitFor(WAIT)
  })

  inBrowser('fits a phone, in light and dark, and everything has its colours from one list', async () => {
    const grounds: string[] = []
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await visit('', { viewport: { width: 360, height: 740 }, colorScheme })
      await page.route('**/explain/*', (route) => route.fulfill({ json: everyOutcome() }))
      await page.getByText('1 node answers').waitFor(WAIT)
      await page.getByLabel('What to look up').selectOption('sample')
      await page.getByLabel('Its id').fill('view-1')
      await page.keyboard.press('Enter')
      await page.locator('.timeline').first().waitFor(WAIT)
      expect(await overflowOf(page)).toEqual([])
      grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor))
      expect(await contrastsBelow(page, 4.5)).toEqual([])
    }
    expect(new Set(grounds).size).toBe(2)
  })

  inBrowser('draws the numbers at its charts whole, however far behind the clock', async () => {
    for (const behindMs of [45_000, 33 * 60_000, 83 * 60_000, 29 * 3_600_000, 400 * 86_400_000]) {
      const page = await visit('', { viewport: { width: 390, height: 844 } })
      await page.addInitScript(() => {
        const { prototype } = CanvasRenderingContext2D
        const { fillText } = prototype
        const drawn: { text: string; left: number }[] = []
        prototype.fillText = function (text, x, y, width) {
          const left = this.textAlign === 'right' ? x - this.measureText(text).width : 0
          drawn.push({ text, left })
          fillText.call(this, text, x, y, width)
        }
        Object.assign(window, { drawn })
      })
      await page.route('**/overview', async (route) => {
        const answer = await route.fetch()
        const json = await answer.json()
        for (const { overview } of json.nodes) overview?.history.watermarkLagMs.fill(behindMs)
        await route.fulfill({ response: answer, json })
      })
      await page.reload()
      await page.locator('#chart-watermark canvas').waitFor(WAIT)
      await page.waitForFunction(
        () =>
          (window as unknown as { drawn: { text: string }[] }).drawn.some(({ text }) => /[1-9].* [smhd]$/.test(text)),
        undefined,
        WAIT,
      )
      const drawn = await page.evaluate(() => (window as unknown as { drawn: { text: string; left: number }[] }).drawn)
      expect(drawn.filter(({ left }) => left < 0)).toEqual([])
    }
  })

  inBrowser('is worked by keyboard: the look-up, its answer, and back', async () => {
    const page = await visit()
    await page.route('**/explain/*', (route) => route.fulfill({ json: everyOutcome() }))
    await page.getByText('1 node answers').waitFor(WAIT)
    const focused = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.textContent)
    await page.keyboard.press('Tab')
    expect(await focused()).toMatch(/Skip to/)
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('lookup-kind')
    await page.keyboard.press('s')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('lookup-id')
    await page.keyboard.type('view-1')
    await page.keyboard.press('Enter')
    await page.locator('.timeline').first().waitFor(WAIT)
    expect(await focused()).toBe('answer-title')
    await page.keyboard.press('Tab')
    expect(await focused()).toBe('Close')
    // What is shown anew every two seconds does not take the focus away.
    await page.locator('#nodes summary').focus()
    await sleep(2500)
    expect(await focused()).toBe('Each partition')
    await page.keyboard.press('Enter')
    const isOpen = await page.locator('#nodes details').getAttribute('open')
    await sleep(2500)
    expect(await page.locator('#nodes details').getAttribute('open')).toBe(isOpen)
  })

  inBrowser('has no field, picture or button without a name', async () => {
    const page = await visit()
    await page.getByText('1 node answers').waitFor(WAIT)
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll('input, select, button, [role=img], svg')]
        .filter((one) => one.closest('[hidden], [aria-hidden=true]') === null)
        .filter((one) => {
          const labelled = one instanceof HTMLInputElement || one instanceof HTMLSelectElement ? one.labels?.length : 0
          return !labelled && !one.getAttribute('aria-label') && !one.textContent?.trim()
        })
        .map((one) => one.outerHTML.slice(0, 80)),
    )
    expect(nameless).toEqual([])
  })
})

describe('a cluster', () => {
  let broker: SharedBroker
  let nodes: NodeProcess[] = []
  let own: TempDir
  beforeAll(async () => {
    if (!hasBrowser) return
    broker = await sharedBroker()
    own = await tempDir()
  })
  afterAll(async () => {
    await Promise.all(nodes.filter((one) => one.isRunning).map((one) => one.terminate()))
    await broker?.stop()
    await own?.remove()
  })

  inBrowser(
    'shows every node’s partitions, and a killed node as one that does not answer',
    async () => {
      const name = uniqueName('page')
      await makeTopics(broker.brokers, name)
      const worlds = await Promise.all(
        ['a', 'b'].map((id) => writeWorld(join(own.path, id), { name, brokers: broker.brokers })),
      )
      nodes = worlds.map((config, k) => new NodeProcess(program.folder, config, `node-${'ab'[k]}`))
      const [at] = await Promise.all(nodes.map((one) => one.ready))
      const page = await visit('', { at, token: null })
      await page.getByText('all 2 nodes answer').waitFor(WAIT)
      await page.getByText('4 of 4 partitions live').waitFor(WAIT)
      expect(await page.locator('#ring svg').getAttribute('aria-label')).toMatch(/A node-a: \d, \d\. B node-b: \d, \d/)
      await nodes[1].kill()
      await page.getByText('node-b does not answer').waitFor(WAIT)
      await page.getByText('the ledger balances, without node-b').waitFor(WAIT)
      await page.getByText('Without what node-b has.').waitFor(WAIT)
      expect(await page.locator('#nodes tbody tr').nth(1).innerText()).toMatch(/node-b[\s\S]*(does not answer|gone)/)
      expect(await page.locator('#ring svg').innerHTML()).toContain('✕')
    },
    90_000,
  )
})

const countOf = (page: Watched['page'], what: string): Promise<number> =>
  page.evaluate(
    (word) => Number(new RegExp(`([\\d,]+) ${word} =`).exec(document.body.innerText)?.[1].replaceAll(',', '')),
    what,
  )

/** Texts whose colour stands out less than it should from what is behind them. */
function contrastsBelow(page: Watched['page'], least: number): Promise<string[]> {
  return page.evaluate((limit) => {
    const parts = (colour: string): number[] => colour.match(/[\d.]+/g)!.map(Number)
    const light = ([r, g, b]: number[]): number => {
      const [x, y, z] = [r, g, b].map((c) =>
        c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4,
      )
      return 0.2126 * x + 0.7152 * y + 0.0722 * z
    }
    const behind = (element: Element | null): number[] => {
      for (let at = element; at !== null; at = at.parentElement) {
        const colour = parts(getComputedStyle(at).backgroundColor)
        if (colour[3] !== 0) return colour
      }
      return [255, 255, 255]
    }
    const low: string[] = []
    for (const element of document.querySelectorAll('body *:not(svg *):not(script):not(noscript)')) {
      const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.textContent!.trim() !== '')
      if (!own || element.closest('[hidden]') !== null) continue
      const [a, b] = [light(parts(getComputedStyle(element).color)), light(behind(element))]
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      if (contrast < limit) low.push(`${element.textContent!.slice(0, 30)}: ${contrast.toFixed(2)}`)
    }
    return low
  }, least)
}
