/** A node of Babel's syntax tree (babel-types: ast-spec). */
export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  [key: string]: unknown
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string'
}

/** Whether the node is only a type, which JavaScript does not have. */
export function isErased(node: Node): boolean {
  const { type, declare, importKind, exportKind, declaration } = node
  if (TYPES.has(type) || declare === true) return true
  if (/^Class(Private)?Property$/.test(type)) return node.abstract === true
  if (type === 'ImportDeclaration' || type === 'TSImportEqualsDeclaration') return importKind === 'type'
  if (type === 'TSModuleDeclaration') return node.kind !== 'module' && isErasedBlock(node.body)
  if (!type.startsWith('Export') || type === 'ExportSpecifier') return false
  return exportKind === 'type' || (isNode(declaration) && isErased(declaration))
}

const TYPES = new Set([
  'TSTypeAnnotation',
  'TSTypeParameterDeclaration',
  'TSTypeParameterInstantiation',
  'TSInterfaceDeclaration',
  'TSTypeAliasDeclaration',
  'TSDeclareFunction',
  'TSDeclareMethod',
  'TSIndexSignature',
  'TSNamespaceExportDeclaration',
])

/** A namespace with types only, for which TypeScript makes no code. */
function isErasedBlock(block: unknown): boolean {
  if (!isNode(block)) return false
  if (block.type === 'TSModuleDeclaration') return isErasedBlock(block.body) // B of A.B
  return Array.isArray(block.body) && block.body.every((one) => isNode(one) && isErased(one))
}

interface Refusal {
  readonly because: string
  readonly instead: string
}

/** Why telec refuses the node: it is more than a type, or newer than the oldest Node.js of telec; null: it does not. */
export function refusal(node: Node, text: string): Refusal | null {
  if (isErased(node)) return null
  const source = (part: unknown) => (isNode(part) ? text.slice(part.start, part.end) : '')
  const name = source(node.id)
  const needsCode = (what: string) => `${what} is more than a type, and JavaScript has none`
  const tooNew = (what: string) => `${what} is not in every version of Node.js that telec supports`
  switch (node.type) {
    case 'TSEnumDeclaration':
      return { because: needsCode('an enum'), instead: `write an object: const ${name} = { … } as const` }
    case 'TSModuleDeclaration':
      return {
        because: needsCode(`a ${node.kind === 'module' ? 'module' : 'namespace'} with values`),
        instead: `write an object, const ${name} = { … }, or a file of its own to import`,
      }
    case 'TSParameterProperty': {
      const field = source(node.parameter)
      const [, property = ''] = /^([\w$]+)/.exec(field) ?? []
      return {
        because: needsCode('a parameter property'),
        instead: `declare the field, and assign it: constructor(${field}) { this.${property} = ${property} }`,
      }
    }
    case 'TSImportEqualsDeclaration': {
      const reference = node.moduleReference as Node
      const from = source(reference.expression)
      return {
        because: needsCode('import … = …'),
        instead: from ? `write: import ${name} from ${from}` : `write: const ${name} = ${source(reference)}`,
      }
    }
    case 'TSExportAssignment':
      return {
        because: needsCode('export = …'),
        instead: 'write: export function check() … and export function migrate() …',
      }
    case 'TSTypeAssertion':
      return {
        because: 'a type in angle brackets before a value is ambiguous',
        instead: `write: ${source(node.expression)} as ${source(node.typeAnnotation)}`,
      }
    case 'Decorator':
      return { because: tooNew('a decorator'), instead: 'call the function instead' }
    case 'ClassAccessorProperty':
      return { because: tooNew('an accessor field'), instead: 'write get and set' }
    case 'VariableDeclaration':
      if (!String(node.kind).includes('using')) return null
      return { because: tooNew(`${node.kind}`), instead: 'write: try { … } finally { … }' }
    default:
      return null
  }
}
