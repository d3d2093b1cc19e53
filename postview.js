#!/usr/bin/env node
// `node postview check` in a clone is `npx postview check` where the package is installed.
await import('./dist/cli/main.js')
