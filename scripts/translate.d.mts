/** Types of translate.mjs, for the tests that import it. */
export function translate(text: string, fileName: string): string
