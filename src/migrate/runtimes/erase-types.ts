// Removes the types from TypeScript. Node.js can do it, but each version accepts different syntax.
import { parse } from '@babel/parser'
import { isErased, isNode, type Node, refusal } from './erasable.ts'

/** Words before a member of a class, which JavaScript does not have. */
const MODIFIERS = new Set(['public', 'private', 'protected', 'readonly', 'override', 'abstract', 'declare'])

/** Nodes that a line break may end: without their type, a `(` on the next line would continue them. */
const ENDED_BY_LINE_BREAK =
  /^(ExpressionStatement|ReturnStatement|ThrowStatement|VariableDeclaration|ExportDefaultDeclaration|Class(Private)?Property)$/

type Token = Readonly<Record<'start' | 'end', number> & { type: string | object }>

/**
 * JavaScript with each type replaced by spaces, so that lines and columns do not change. For syntax that is more than a
 * type it throws a SyntaxError with the line, the reason and a replacement.
 */
export function eraseTypes(text: string, file: string): string {
  const { program, tokens } = read(text, file)
  const out = text.split('')
  const textOf = (token: Token | undefined) => (token ? text.slice(token.start, token.end) : '')

  /** The index of the first token that begins at or after a place. */
  const indexFrom = (place: number) => {
    let [low, high] = [0, tokens.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((tokens[middle] as Token).start < place) low = middle + 1
      else high = middle
    }
    return low
  }
  const tokenFrom = (place: number) => tokens[indexFrom(place)]
  const tokenBefore = (place: number) => tokens[indexFrom(place) - 1]
  const blank = (start: number, end: number) => {
    for (let at = start; at < end; at += 1) if (!/[\n\r\u2028\u2029]/.test(out[at] ?? '')) out[at] = ' '
  }
  const blankToken = (token: Token | undefined, ...wanted: readonly string[]) => {
    if (token && wanted.includes(textOf(token))) blank(token.start, token.end)
  }
  const hasLineBreak = (start: number, end: number) => /[\n\r\u2028\u2029]/.test(text.slice(start, end))

  const visit = (node: Node, parent: Node | null): void => {
    const refused = refusal(node, text)
    if (refused) throw syntaxError(text, file, node.start, refused.because, refused.instead)
    if (isErased(node)) {
      blank(node.start, node.end)
      if (
        parent !== null &&
        /^(Program|BlockStatement|ClassBody|StaticBlock|SwitchCase|TSModuleBlock)$/.test(parent.type)
      )
        out[node.start] = ';' // a line break alone may not separate the code around it
      return
    }
    eraseParts(node)
    for (const child of childrenOf(node)) visit(child, node)
    const isHead = parent?.type.startsWith('For') && parent.body !== node
    const wasBlanked = out[node.end - 1] === ' ' && text[node.end - 1] !== ' '
    if (ENDED_BY_LINE_BREAK.test(node.type) && !isHead && wasBlanked) out[node.end - 1] = ';'
  }

  /** Erases the types of a node that are not nodes themselves. */
  const eraseParts = (node: Node): void => {
    const { start, end, type } = node
    if (type === 'TSAsExpression' || type === 'TSSatisfiesExpression')
      blank((node.expression as Node).end, end)
    if (type === 'TSNonNullExpression') blank(end - 1, end)
    if (/^Class(Private)?(Property|Method)$/.test(type)) eraseMember(node)
    else eraseMark(node)
    if (/^(Import|Export)Specifier$/.test(type) && (node.importKind ?? node.exportKind) === 'type') {
      blank(start, end)
      blankToken(tokenFrom(end), ',')
    }
    if (/^Class(Declaration|Expression)$/.test(type)) {
      if (node.abstract) blankToken(tokenFrom(start), 'abstract')
      const interfaces = (node.implements ?? []) as readonly Node[]
      if (interfaces[0]) blank((tokenBefore(interfaces[0].start) as Token).start, interfaces.at(-1)?.end ?? 0)
    }
    const [first] = (node.params ?? []) as readonly Node[]
    if (first?.type === 'Identifier' && first.name === 'this') {
      blank(first.start, first.end)
      blankToken(tokenFrom(first.end), ',')
    }
    if (type === 'ArrowFunctionExpression') eraseArrow(node)
  }

  /** Erases the `?` or `!` of a name, before its type or at its end. */
  const eraseMark = (node: Node): void => {
    const { typeAnnotation } = node
    if (isNode(typeAnnotation) && !node.type.startsWith('TS'))
      blankToken(tokenBefore(typeAnnotation.start), '?', '!')
    else if (node.optional === true && /^(Identifier|\w+Pattern)$/.test(node.type))
      blankToken(tokenBefore(node.end), '?')
  }

  const eraseMember = (node: Node): void => {
    const key = node.key as Node
    for (let at = indexFrom(node.start); (tokens[at] as Token).start < key.start; at += 1) {
      const token = tokens[at] as Token
      if (!MODIFIERS.has(textOf(token))) continue
      blank(token.start, token.end)
      if (token.start === node.start) out[token.start] = ';' // the line above may lack one
    }
    const after = indexFrom(key.end) + (node.computed ? 1 : 0)
    if (node.optional || node.definite) blankToken(tokens[after], '?', '!')
  }

  /** Moves a parenthesis, where erased types would leave a line break after `async` or before `=>`. */
  const eraseArrow = (node: Node): void => {
    const { typeParameters, returnType } = node
    if (isNode(typeParameters)) {
      const open = tokenFrom(typeParameters.end) as Token
      blank(typeParameters.start, typeParameters.end)
      if (hasLineBreak(typeParameters.start, open.start)) {
        blank(open.start, open.end)
        out[typeParameters.start] = '('
      }
    }
    if (isNode(returnType)) {
      const close = tokenBefore(returnType.start) as Token
      blank(returnType.start, returnType.end)
      if (hasLineBreak(close.start, returnType.end)) {
        blank(close.start, close.end)
        out[returnType.end - 1] = ')'
      }
    }
    // The visit of these nodes would erase it again.
    node.typeParameters = node.returnType = null
  }

  visit(program, null)
  return out.join('')
}

function read(text: string, file: string): { program: Node; tokens: readonly Token[] } {
  try {
    const { program, tokens } = parse(text, {
      sourceType: 'module',
      tokens: true,
      attachComment: false,
      createParenthesizedExpressions: true,
      // Parsed only so that `refusal` can name them.
      plugins: ['typescript', 'decorators', 'decoratorAutoAccessors', 'explicitResourceManagement'],
    })
    const isCode = ({ type }: Token) => typeof type !== 'string' // the others are comments
    return { program: program as unknown as Node, tokens: (tokens as Token[]).filter(isCode) }
  } catch (error) {
    const { pos, message } = error as Error & { pos?: number }
    if (pos === undefined) throw error
    throw syntaxError(text, file, pos, message.replace(/ \(\d+:\d+\)$/, ''), null)
  }
}

function childrenOf(node: Node): Node[] {
  return Object.values(node).flat().filter(isNode)
}

function syntaxError(text: string, file: string, at: number, because: string, instead: string | null): Error {
  const before = text.slice(0, at).split(/\r\n|[\n\r\u2028\u2029]/)
  const line = text.slice(at - (before.at(-1)?.length ?? 0)).split(/[\n\r\u2028\u2029]/, 1)[0] ?? ''
  const error = new SyntaxError(
    [
      `${file}:${before.length}: ${because}`,
      `    ${line.trim().slice(0, 200)}`,
      ...(instead === null ? [] : [instead]),
    ].join('\n'),
  )
  error.stack = `${error.name}: ${error.message}`
  return error
}
