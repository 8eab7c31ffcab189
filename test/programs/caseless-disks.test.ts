import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { onCaselessDisk } from '../helpers/caseless-disk.ts'
import { type Computer, version } from '../helpers/computer.ts'
import { expectFailure } from '../helpers/messages.ts'
import { readTree } from '../helpers/tree.ts'
import { watchAndUpdate } from '../helpers/update.ts'

/** Pushes what git itself would not let a user make on such a disk. */
async function pushNames(computer: Computer, files: Readonly<Record<string, string>>, links = {}) {
  const { git, folder } = computer
  const work = join(folder, 'work')
  const entries = [
    ...Object.entries(files).map(([path, text]) => ({ mode: '100644', path, text })),
    ...Object.entries<string>(links).map(([path, text]) => ({ mode: '120000', path, text })),
  ]
  for (const { mode, path, text } of entries) {
    writeFileSync(join(folder, 'blob'), text)
    const id = await git('-C', work, 'hash-object', '-w', join(folder, 'blob'))
    await git('-C', work, 'update-index', '--add', '--cacheinfo', `${mode},${id},${path}`)
  }
  await git('-C', work, '-c', 'user.name=A', '-c', 'user.email=a@example.org', 'commit', '-qm', 'names')
  await git('-C', work, 'push', '--quiet', 'origin', 'HEAD:main')
}

test.each<[string, Record<string, string>, Record<string, string>, string]>([
  ['two files', { 'Same.txt': 'upper\n', 'same.txt': 'lower\n' }, {}, 'Same.txt and same.txt'],
  ['a file and a folder', { 'Lib/a.js': 'a\n', lib: 'b\n' }, {}, 'lib and Lib/a.js'],
  // CVE-2021-21300: a file written below the folder would be written to the target of the link.
  [
    'a link and a folder',
    { 'hooks/post-checkout': '#!/bin/sh\ntouch ../planted\n' },
    { Hooks: '.git/hooks' },
    'Hooks and hooks/post-checkout',
  ],
  ['forms of a letter', { 'caf\u00e9.txt': 'one\n', 'cafe\u0301.txt': 'two\n' }, {}, 'and caf\u00e9.txt'],
])('%s of one name halt, before anything is touched', async (_, files, links, named) => {
  const computer = await onCaselessDisk()
  await computer.telec('telec-watch')
  const before = readTree(computer.checkout)
  await pushNames(computer, files, links)
  expectFailure(await watchAndUpdate(computer), 1, ['cannot tell files of', named, 'rename one of them'])
  expect(readTree(computer.checkout)).toEqual(before)
  await computer.git('-C', join(computer.folder, 'work'), 'checkout', '--quiet', '--force')
  await computer.push({
    ...version('1.1.0'),
    ...Object.fromEntries(Object.keys({ ...files, ...links }).map((path) => [path, null])),
  })
  expect(await watchAndUpdate(computer)).toMatchObject({ code: 42 })
})

test('existing names, and a name that changes only its case, stop no update', async () => {
  const computer = await onCaselessDisk()
  await pushNames(computer, { 'Same.txt': 'upper\n', 'same.txt': 'lower\n', 'Read.me': 'read\n' })
  await computer.gitInCheckout('pull', '--quiet')
  await computer.telec('telec-watch')
  await computer.git('-C', join(computer.folder, 'work'), 'reset', '--quiet', '--hard')
  await computer.git('-C', join(computer.folder, 'work'), 'mv', 'Read.me', 'README')
  await computer.push(version('1.1.0'))
  const ended = await watchAndUpdate(computer)
  expect(ended, ended.stderr).toMatchObject({ code: 42 })
  expect(readFileSync(join(computer.checkout, 'README'), 'utf8')).toBe('read\n')
})

test("the service's own file is not overwritten by one that differs in case", async () => {
  const computer = await onCaselessDisk()
  await computer.push({ '.gitignore': 'Local.conf\n' })
  await computer.gitInCheckout('pull', '--quiet')
  await computer.telec('telec-watch')
  writeFileSync(join(computer.checkout, 'Local.conf'), 'mine\n')
  await computer.push({ ...version('1.1.0'), 'local.conf': 'theirs\n' })
  expectFailure(await watchAndUpdate(computer), 1, ['would overwrite 1 local file', 'ocal.conf'])
  expect(readFileSync(join(computer.checkout, 'Local.conf'), 'utf8')).toBe('mine\n')
})
