import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { DIST, execute, ROOT, succeed } from '../helpers/programs.ts'

/** As a command: the word `telec deploy`, or `deploy` where a list of commands has its names. */
const AS_A_COMMAND = /telec[ -]deploy\b|^\s*deploy\b|['"( |]deploy['") |:]/m

const telec = (...args: string[]) => execute(join(DIST, 'telec'), args)

/** The documents of this repository, which git knows. */
async function documents(): Promise<string[]> {
  return (await succeed('git', ['ls-files', '*.md', '.github'], { cwd: ROOT })).split('\n')
}

describe('deployment follows from pushing', () => {
  test.each([[['deploy']], [['deploy', '--all', 'now']], [['deploy', '--help']]])(
    'says telec %j, and leaves with 2',
    async (args) => {
      expectFailure(await telec(...args), 2, ['telec deploys each push', 'git push'])
    },
  )

  test.each(['telec-watch', 'telec-update', 'telec-migrate'])(
    '%s knows no deploy either',
    async (program) => {
      expect(await execute(join(DIST, program), ['deploy'])).toMatchObject({ code: 2 })
    },
  )

  test('there are four programs, and none is for deploying', () => {
    const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { bin: object }
    expect(Object.keys(bin)).toEqual(['telec', 'telec-watch', 'telec-update', 'telec-migrate'])
    expect(readdirSync(DIST).filter((name) => /deploy/.test(name))).toEqual([])
  })

  test.each(['telec', 'telec-watch', 'telec-update', 'telec-migrate'])(
    'the manual page of %s, which has what --help has of each command, offers none',
    (program) => {
      const page = readFileSync(join(DIST, 'man', `${program}.1`), 'utf8')
      expect(page).toContain(`.TH ${program.toUpperCase()} 1`)
      expect(page.replaceAll('To deploy, push.', '')).not.toMatch(AS_A_COMMAND)
    },
  )

  test.each(['bash', 'zsh', 'fish'])('no completion of %s offers one', async (shell) => {
    const { code, stdout } = await telec('completion', shell)
    expect(code).toBe(0)
    expect(stdout).toContain('doctor')
    expect(stdout).not.toMatch(AS_A_COMMAND)
  })

  test.each(['systemd', 'launchd'])('no unit of %s runs one', async (manager) => {
    const computer = await freshComputer({ initArgs: ['--service', 'web.service'] })
    const { code, stdout } = await computer.telec('telec', ['install', '--print', '--manager', manager])
    expect(code).toBe(0)
    expect(stdout.match(/^# \//gm)?.length).toBeGreaterThan(1)
    expect(stdout).not.toMatch(/\bdeploy\b/)
  })

  test('no document speaks of one', async () => {
    const names = await documents()
    expect(names).toContain('README.md')
    for (const name of names) {
      const text = readFileSync(join(ROOT, name), 'utf8')
      expect(text.match(/telec[ -]deploy\b.*/g) ?? [], name).toEqual([])
    }
  })
})
