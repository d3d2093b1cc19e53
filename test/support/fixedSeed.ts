/** fast-check draws the same in every run, so that a run of all tests fails only over what was changed. */
import fc from 'fast-check'
import { DRAWN_SEED } from './drawn.ts'

fc.configureGlobal({ seed: DRAWN_SEED })
