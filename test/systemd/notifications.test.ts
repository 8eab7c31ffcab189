import { expect, onTestFinished, test } from 'vitest'
import { version } from '../helpers/computer.ts'
import { recipe } from '../helpers/recipes.ts'
import { subscribe } from '../helpers/subscriber.ts'
import { until } from '../helpers/until.ts'

const SUBJECT = `"quoted" '$(touch ran)' \u001b[2J ü`

test("docs/notifications.md: the journal has a status under the recipe's name, on one line", async () => {
  const subscriber = await subscribe('user')
  onTestFinished(() => subscriber.dispose())
  const input = recipe('The journal').replace('deployment:\n  checkout: ~/apps/web\n', '')
  expect(input).toMatch(/^on_status:\n/)
  await subscriber.sh('cat >>~/.teleclaude/config.yml', { input })
  await subscriber.telec('telec install')
  const commit = await subscriber.push(version('1.1.0'), { message: SUBJECT })
  await subscriber.deployed(commit)
  const journal = async () =>
    (await subscriber.box.sh('journalctl --quiet -t web-updates -o cat')).stdout.trim()
  await until('the status to be in the journal', async () => (await journal()) !== '')
  const [line = '', ...others] = (await journal()).split('\n')
  expect(others).toEqual([])
  const { commits, ...said } = JSON.parse(line) as { commits: { subjects: string[] } }
  expect(said).toMatchObject({ status: 'updated', commit })
  expect(commits.subjects[0]).toContain(`"quoted" '$(touch ran)' `)
})
