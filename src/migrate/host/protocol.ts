/** What telec and the process that runs the migrations say to each other. */

/** The first message: the text of a loader for TypeScript, where this Node.js needs one. */
export interface Prepare {
  readonly loader: string | null
}

/** Then one at a time: call a function of a migration. */
export interface Call {
  readonly file: string
  readonly name: 'check' | 'migrate'
}

export type Answer = { readonly value: boolean } | { readonly error: string }
