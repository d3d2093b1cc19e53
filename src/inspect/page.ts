/**
 * GET /: the page, and what it is made of (src/page, and uPlot as its package has it). Read once, when the server starts;
 * served by exact names, so that no request names a file.
 *
 * The page itself holds no data and is public; what it shows it asks for, with the token that its user gives it.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { FastifyInstance } from 'fastify'

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const

const FILES = [
  'page.css',
  'icon.svg',
  'main.js',
  'api.js',
  'dom.js',
  'format.js',
  'header.js',
  'ring.js',
  'nodes.js',
  'charts.js',
  'clocks.js',
  'ledger.js',
  'delays.js',
  'tail.js',
  'lookup.js',
  'user.js',
  'explanation.js',
  'timeline.js',
] as const

/** Nothing from elsewhere, nothing inline, nobody's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function addPage(app: FastifyInstance): void {
  const folder = new URL('../page/', import.meta.url)
  const uplot = (name: string): Buffer => readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${name}`))
  const serve = (path: string, type: keyof typeof TYPES, body: Buffer): void => {
    app.get(path, { config: { role: 'public' } }, (_, reply) =>
      reply.type(TYPES[type]).header('content-security-policy', POLICY).send(body),
    )
  }
  serve('/', 'html', readFileSync(new URL('index.html', folder)))
  for (const name of FILES) {
    serve(
      `/page/${name}`,
      name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES,
      readFileSync(new URL(name, folder)),
    )
  }
  serve('/page/uplot.js', 'js', uplot('uPlot.iife.min.js'))
  serve('/page/uplot.css', 'css', uplot('uPlot.min.css'))
}
