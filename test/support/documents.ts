/** The commands that a document tells its reader to type: the lines of its `sh` blocks, by section. */
export interface Section {
  readonly title: string
  readonly commands: readonly string[]
}

/** Sections with at least one command. A line that ends in a backslash goes on in the next; comments are left out. */
export function sectionsOf(markdown: string): Section[] {
  return markdown
    .split(/^## /m)
    .map((part) => ({ title: part.split('\n', 1)[0], commands: commandsOf(part) }))
    .filter(({ commands }) => commands.length > 0)
}

function commandsOf(part: string): string[] {
  const blocks = [...part.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1])
  return blocks
    .flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '')
}
