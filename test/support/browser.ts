/// <reference lib="dom" />
/**
 * A real Chromium without a window, for the page: found where systems have it, brought by .ci/run where it is missing.
 *
 * How it fails: `openBrowser` rejects with what to install. Under CI=true a missing browser fails the tests that need it;
 * elsewhere they say so and check nothing.
 */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/snap/bin/chromium']
const MISSING = 'Chromium is missing: install it (Debian: apt-get install chromium), or name it in POSTVIEW_CHROMIUM'

const path = process.env.POSTVIEW_CHROMIUM ?? PLACES.find((place) => existsSync(place))
export const hasBrowser = path !== undefined || process.env.CI === 'true'
if (!hasBrowser) process.stderr.write(`the page is not tested here: ${MISSING}\n`)

export async function openBrowser(): Promise<Browser> {
  if (path === undefined) throw new Error(MISSING)
  // Browsers in containers run as root, where their sandbox cannot.
  return chromium.launch({ executablePath: path, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

export interface Watched {
  readonly page: Page
  /** What the page said to the console, what it threw, and what it asked of other hosts: all of it is an error. */
  readonly errors: readonly string[]
}

export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(`thrown: ${error.message}`))
  page.on('console', (message) => {
    // What a node refuses or does not have, Chromium tells by itself; what the page makes of it is tested.
    const isAnswer = message.text().startsWith('Failed to load resource: the server responded with a status of')
    if (message.type() !== 'log' && !isAnswer) errors.push(`${message.type()}: ${message.text()}`)
  })
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) errors.push(`elsewhere: ${request.url()}`)
  })
  return { page, errors }
}

/** What lies over the window's edge where nothing else scrolls it. */
export const overflowOf = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    if (document.documentElement.scrollWidth <= window.innerWidth) return []
    return [...document.querySelectorAll('body *')]
      .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 0.5 && one.closest('.scroll') === null)
      .map((one) => `${one.tagName} ${one.id || one.className}`)
  })
