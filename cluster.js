#!/usr/bin/env node
// `node cluster start` is `postview cluster start`: one program, two names.
process.argv.splice(2, 0, 'cluster')
await import('./dist/cli/main.js')
