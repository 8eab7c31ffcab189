import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Computer } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { requireTool } from '../helpers/missing-tool.ts'
import { execute, succeed } from '../helpers/programs.ts'

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
    ['telec un', ['uninstall']],
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

describe('manual pages', () => {
  async function pages(computer: Computer): Promise<string[]> {
    await computer.telec('telec', ['init', '--checkout', computer.checkout])
    const { stdout } = await computer.telec('telec', ['install', '--print'], {
      env: { HOME: computer.folder },
    })
    return [...stdout.matchAll(/^# (\/\S+\.1)\n([\s\S]*?)\n(?=# \/|\$ )/gm)].map(
      ([, path = '', text = '']) => {
        const file = join(computer.folder, path.split('/').at(-1) ?? '')
        writeFileSync(file, text)
        return file
      },
    )
  }

  test('are what mandoc finds nothing wrong with', async () => {
    requireTool('mandoc', 'mandoc')
    const computer = await freshComputer({ init: false })
    const files = await pages(computer)
    expect(files.map((path) => path.split('/').at(-1))).toEqual([
      'telec.1',
      'telec-watch.1',
      'telec-update.1',
      'telec-migrate.1',
    ])
    const ended = await execute('mandoc', ['-Tlint', '-Wwarning', ...files])
    expect(ended.stdout.replace(/.*missing date.*\n/g, '')).toBe('') // the same commit makes the same page
  })

  test('say what --help says', async () => {
    const computer = await freshComputer({ init: false })
    const [telec = '', , update = ''] = await pages(computer)
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
    expect(await read(update)).toMatch(/--accept-rewrite\n +take a branch that was force-pushed/)
  })
})
