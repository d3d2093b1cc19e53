#!/usr/bin/env node
/**
 * The program: `postview`, and as `node cluster` its cluster commands.
 *
 * A node's process begins anew with the settings that pay for it, before anything of it is loaded.
 */
import { fileURLToPath } from 'node:url'
import { beginAnew } from '../cluster/processSettings.ts'

const [, , command, subcommand] = process.argv
if (command === 'cluster' && subcommand === 'start') beginAnew(process, fileURLToPath(import.meta.url))
await import('./run.ts')
