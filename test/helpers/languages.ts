/** How a module in one of Node's languages is written. */
export interface NodeForm {
  readonly label: string
  readonly file: string
  readonly isModule: boolean
  readonly isTyped: boolean
  readonly isAsync: boolean
  /** Of a module beside it, in its own language. */
  readonly neighbour: string
}

const form = (
  label: string,
  extension: string,
  isModule: boolean,
  more: Partial<Pick<NodeForm, 'isTyped' | 'isAsync'>> = {},
): NodeForm => ({
  label,
  file: `001_x.${extension}`,
  isModule,
  isTyped: false,
  isAsync: false,
  neighbour: `helper.${extension}`,
  ...more,
})

export const NODE_FORMS: readonly NodeForm[] = [
  form('.ts', 'ts', true, { isTyped: true }),
  form('.ts, async', 'ts', true, { isTyped: true, isAsync: true }),
  form('.mts', 'mts', true, { isTyped: true }),
  form('.js, ES module', 'js', true),
  form('.js, CommonJS', 'js', false),
  form('.mjs, async', 'mjs', true, { isAsync: true }),
  form('.cjs', 'cjs', false),
  form('.cjs, async', 'cjs', false, { isAsync: true }),
]

/** A module with `check` and `migrate`, each by the statements of its body; `head` stands above them. */
export function nodeMigration(
  form: NodeForm,
  functions: Readonly<Record<string, string>>,
  head: readonly string[] = [],
): string {
  const define = ([name, body]: [string, string]) => {
    const start = `${form.isAsync ? 'async ' : ''}function ${name}()`
    const type = form.isTyped ? (form.isAsync ? ': Promise<boolean>' : ': boolean') : ''
    // A fault returns another type: types are removed, not checked.
    return form.isModule ? `export ${start}${type} {\n${body}\n}` : `exports.${name} = ${start} {\n${body}\n}`
  }
  return `${[...head, ...Object.entries(functions).map(define)].join('\n')}\n`
}

/** The line that takes names from another module. */
export function taking(form: NodeForm, names: string, from: string): string {
  return form.isModule ? `import { ${names} } from '${from}'` : `const { ${names} } = require('${from}')`
}

/** The line that gives a text to other modules. */
export function giving(form: NodeForm, name: string, text: string): string {
  if (!form.isModule) return `exports.${name} = '${text}'\n`
  return `export const ${name}${form.isTyped ? ': string' : ''} = '${text}'\n`
}
