import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { DIST, execute, ROOT, succeed } from '../helpers/programs.ts'

async function script(computer: Computer, shell: string): Promise<string> {
  const { code, stdout } = await computer.telec('telec', ['completion', shell])
  expect(code).toBe(0)
  const path = join(computer.folder, `completion.${shell}`)
  writeFileSync(path, stdout)
  return path
}

type Complete = (computer: Computer, line: string) => Promise<string[]>

/** bash calls the function with the words so far; the last one is being typed. */
const bash: Complete = async (computer, line) => {
  const words = line.split(' ')
  const calls = `source ${await script(computer, 'bash')}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_${words[0]?.replaceAll('-', '_')}; printf '%s\\n' "\${COMPREPLY[@]}"`
  return lines(await succeed('bash', ['-uc', calls]))
}

/** zsh's own completion system offers what the function hands to these; here they print it. */
const zsh: Complete = async (computer, line) => {
  requireTool('zsh', 'zsh')
  const words = line.split(' ')
  const last = words.at(-1) ?? ''
  const calls = `compadd() { print -l -- "$@" }
_describe() { local name=\${@[-1]}; print -l -- \${\${(P)name}%%:*} }
_files() { print files }
_message() { : }
compdef() { : }
words=(${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length}
source ${await script(computer, 'zsh')} >/dev/null
_${words[0]?.replaceAll('-', '_')}`
  return lines(await succeed('zsh', ['-fc', calls])).filter((word) => word.startsWith(last))
}

const fish: Complete = async (computer, line) => {
  requireTool('fish', 'fish')
  const path = await script(computer, 'fish')
  const env = { ...process.env, HOME: computer.folder }
  const output = await succeed('fish', ['--no-config', '-c', `source ${path}; complete -C '${line}'`], {
    env,
    cwd: computer.folder,
  })
  return lines(output).map((one) => one.split('\t', 1)[0] ?? '')
}

function lines(output: string): string[] {
  return [...new Set(output.split('\n').filter(Boolean))].toSorted()
}

describe.each([
  ['bash', bash],
  ['zsh', zsh],
  ['fish', fish],
] as const)('in %s', (_, complete) => {
  test.each([
    ['telec st', ['status']],
    ['telec un', ['unhold', 'uninstall', 'unpin']],
    ['telec migrate ver', ['verify']],
    ['telec init --channel al', ['alpha']],
    ['telec completion z', ['zsh']],
    ['telec update --acc', ['--accept-rewrite']],
    ['telec-update --st', ['--stash']],
    ['telec-migrate ma', ['mark']],
    ['telec deploy', []],
  ])('%s<TAB>', async (line, expected) => {
    expect(await complete(await freshComputer({ init: false }), line)).toEqual(expected)
  })
})

test('zsh has a completion for each program after sourcing the output of telec', async () => {
  requireTool('zsh', 'zsh')
  const path = await script(await freshComputer({ init: false }), 'zsh')
  const names = 'telec telec-watch telec-update telec-migrate'
  const calls = `autoload -U compinit; compinit -u -D; source ${path}; for name (${names}) print $_comps[$name]`
  expect(await succeed('zsh', ['-fc', calls])).toBe('_telec\n_telec_watch\n_telec_update\n_telec_migrate')
})

test('zsh finds each by its name, in a folder of fpath', async () => {
  requireTool('zsh', 'zsh')
  const calls = `fpath=(${join(DIST, 'completions')} $fpath); autoload -U compinit; compinit -u -D
print $_comps[telec] $_comps[telec-watch]`
  expect(await succeed('zsh', ['-fc', calls])).toBe('_telec _telec-watch')
})

test('telec alone in a folder has none to print, and says where they are', async () => {
  const computer = await freshComputer({ init: false })
  const copy = join(computer.folder, 'telec')
  cpSync(join(DIST, 'telec'), copy)
  const ended = await execute(copy, ['completion', 'fish'])
  expectFailure(ended, 1, [`${computer.folder}/completions/telec.fish is missing`, 'npm', 'archive'])
})

describe('manual pages', () => {
  const pages = ['telec.1', 'telec-watch.1', 'telec-update.1', 'telec-migrate.1'].map((name) =>
    join(DIST, 'man', name),
  )

  test('are what mandoc finds nothing wrong with', async () => {
    requireTool('mandoc', 'mandoc')
    const ended = await execute('mandoc', ['-Tlint', '-Wwarning', ...pages])
    expect(ended.stdout.replace(/.*missing date.*\n/g, '')).toBe('') // the same commit makes the same page
    expect(ended.stderr).toBe('')
  })

  test("are npm's to install", () => {
    const { man } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { man: string[] }
    expect(man.map((path) => join(ROOT, path))).toEqual(pages)
  })

  test('say what --help says', async () => {
    const [telec = '', , update = ''] = pages
    const read = (path: string) =>
      succeed('sh', ['-c', 'mandoc -Tutf8 -Owidth=200 "$1" | col -bx', 'sh', path])
    const front = await read(telec)
    for (const part of [
      'telec migrate verify',
      'telec install --print',
      '--channel <name>',
      'EXIT STATUS',
      'TELEC_HOME',
      '42  the code on disk is newer',
    ])
      expect(front).toContain(part)
    expect(await read(update)).toMatch(/--accept-rewrite\n +take a force-pushed/)
  })
})
