#!/usr/bin/env node
/**
 * The program: `postview`, and as `node cluster` its cluster commands.
 *
 * A node's process begins anew with the settings that pay for it, before anything of it is loaded. What is loaded is
 * compiled once (Node 22.8 and newer keep it where the system keeps what is temporary).
 */
import module from 'node:module'
import { fileURLToPath } from 'node:url'
import { beginAnew } from '../cluster/processSettings.ts'

const [, , command, subcommand] = process.argv
if (command === 'cluster' && subcommand === 'start') beginAnew(process, fileURLToPath(import.meta.url))
const { enableCompileCache } = module as { enableCompileCache?: () => unknown }
enableCompileCache?.()
await import('./run.ts')
