import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Computer, version } from '../helpers/computer.ts'
import { freshComputer } from '../helpers/fresh-computer.ts'
import { startRedis } from '../helpers/redis.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** Pushes commits whose subjects are these, oldest first. */
async function pushed(computer: Computer, ...subjects: string[]): Promise<void> {
  for (const message of subjects) await computer.push({ 'news.txt': message }, { message })
}

const json = async (computer: Computer, ...args: string[]) =>
  JSON.parse((await computer.telec('telec', [...args, '--json'])).stdout)

test('status and history say what came, the newest first, at most five and how many more', async () => {
  const computer = await freshComputer()
  await pushed(computer, 'one', 'two', 'three', 'four', 'five', 'six')
  await computer.push(version('1.1.0'), { message: 'seven\n\nand a body' })
  expect((await watchAndUpdate(computer)).code).toBe(42)
  const lines = ['seven', 'six', 'five', 'four', 'three', '… and 2 more']
  const { stdout } = await computer.telec('telec', ['status'])
  expect(stdout).toContain(`\ncommits    ${lines.join(`\n${' '.repeat(11)}`)}\n`)
  expect((await computer.telec('telec', ['history'])).stdout).toContain(
    `updated\n${lines.map((line) => `    ${line}\n`).join('')}`,
  )
  const commits = { subjects: ['seven', 'six', 'five', 'four', 'three', 'two', 'one'], more: 0 }
  expect(await json(computer, 'status')).toMatchObject({ commits })
  expect(await json(computer, 'history')).toMatchObject([{ commits }])
})

test('the coming commits are shown where an update halted, and only there', async () => {
  const computer = await freshComputer({ initArgs: ['--install', 'false'] })
  expect(await json(computer, 'status')).toMatchObject({ commits: null })
  await pushed(computer, ...Array.from({ length: 14 }, (_, index) => `${index - 2}`))
  expect((await watchAndUpdate(computer)).code).toBe(1)
  const { commits } = await json(computer, 'status')
  expect(commits).toEqual({ subjects: ['11', '10', '9', '8', '7', '6', '5', '4', '3', '2'], more: 4 })
})

test('control characters are shown as text, and a long subject is cut', async () => {
  const computer = await freshComputer()
  await pushed(computer, '\u001b[31mred\u202e', 'x'.repeat(10_000))
  expect((await watchAndUpdate(computer)).code).toBe(42)
  const { commits } = await json(computer, 'status')
  expect(commits).toEqual({ subjects: [`${'x'.repeat(98)}..`, '\\u001b[31mred\\u202e'], more: 0 })
})

test('are read as UTF-8, also where git shows its log in another encoding', async () => {
  const computer = await freshComputer()
  await computer.gitInCheckout('config', 'i18n.logOutputEncoding', 'ISO-8859-1')
  await pushed(computer, 'Grüße')
  expect((await watchAndUpdate(computer)).code).toBe(42)
  expect((await json(computer, 'status')).commits.subjects).toEqual(['Grüße'])
})

test('on_status and the fleet get them with the end of an update, and with its halt', async () => {
  const redis = await startRedis()
  const computer = await freshComputer()
  const told = join(computer.folder, 'told')
  const configured = (install: string) =>
    computer.writeConfig(
      `computer: attic\ndeployment:\n  checkout: ${computer.checkout}\n  install: ${install}\nredis:\n  url: ${redis.url}\non_status: cat >${told}\n`,
    )
  configured('"true"')
  await pushed(computer, 'mend the door')
  expect((await watchAndUpdate(computer)).code).toBe(42)
  expect(JSON.parse(readFileSync(told, 'utf8'))).toMatchObject({
    status: 'updated',
    commits: { subjects: ['mend the door'], more: 0 },
  })
  configured('"false"')
  await pushed(computer, 'paint the door')
  expect((await watchAndUpdate(computer)).code).toBe(1)
  expect((await computer.telec('telec', ['status', '--fleet'])).stdout).toMatch(
    /^attic halted at install: .*\n {2}paint the door\n/m,
  )
  const page = join(computer.folder, 'fleet.html')
  await computer.telec('telec', ['status', '--fleet', '--html', page])
  expect(readFileSync(page, 'utf8')).toContain('· paint the door</span>')
})
