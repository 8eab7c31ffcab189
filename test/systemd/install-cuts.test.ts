import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Call, callsIn, recordOptions } from '../helpers/strace.ts'
import { type Scope, SERVICE, type Subscriber, subscribe } from '../helpers/subscriber.ts'
import { createTally, isWhole, SWEEP_TIMEOUT_MS, sampled } from '../helpers/sweeps.ts'

const SCOPES: Scope[] = isWhole ? ['system', 'user'] : ['system']
const PLACES = {
  user: '~/.config/systemd/user',
  system: '/etc/systemd/system /etc/sysusers.d',
}
/** In them it changes something. */
const FOLDERS = {
  user: ['/home/'],
  system: ['/etc/systemd', '/etc/sysusers.d', '/var/lib/telec'],
}
const HOME = { user: '~/.teleclaude', system: '/var/lib/telec' }
const OWN_UNITS = 'telec-watch.timer telec-update.path telec-update.timer'
/** A failed command exits with them, a killed one does not. */
const EFFECTS = ['signal=SIGKILL', 'signal=SIGKILL', 'error=ENOSPC', 'error=EROFS', 'error=EIO']

describe.each(SCOPES)('telec install and uninstall, %s scope, cut short and done again', (scope) => {
  let subscriber: Subscriber
  const trace = '/var/tmp/trace'
  const under = (options: readonly string[], verb: string) =>
    subscriber.sh(
      `strace ${options.map((one) => `'${one}'`).join(' ')} ${process.execPath} ${subscriber.bin}/telec ${verb}`,
      { allowFailure: true, env: { UV_THREADPOOL_SIZE: '1' } },
    )

  /** All that an installation is: files and their content, temporary ones, too, and what systemd makes of them. */
  const state = async () =>
    (
      await subscriber.sh(
        `find ${PLACES[scope]} ! -name ${SERVICE} -type f -exec sha256sum {} + | sort -k 2
find ${PLACES[scope]} -type d | sort
ls -A ${HOME[scope]} | grep -E '^installed|[.][0-9]+$' || true
systemctl --${scope} is-active ${OWN_UNITS} || true
systemctl --${scope} is-enabled ${OWN_UNITS} 2>&1 || true`,
      )
    ).stdout

  /** The calls by which it changes files, wherever they are. */
  const record = async (verb: string): Promise<readonly Call[]> => {
    const options = [...recordOptions(trace), '--detach-on=execve']
    expect((await under(options, verb)).code).toBe(0)
    const text = (await subscriber.sh(`cat ${trace}`)).stdout
    const calls = FOLDERS[scope].flatMap((folder) => callsIn(text, folder))
    const byName = new Map(calls.map((one) => [`${one.call} ${one.occurrence}`, one]))
    return [...byName.values()].filter(({ call }) => call !== 'write' && call !== 'execve')
  }

  const calls: Record<string, readonly Call[]> = {}
  const whole: Record<string, string> = {}

  beforeAll(async () => {
    subscriber = await subscribe(scope)
    await subscriber.sh(`mkdir -p ${PLACES[scope]}`)
    await subscriber.telec('telec install') // what systemd makes of it at first is made once
    await subscriber.telec('telec uninstall')
    for (const verb of ['install', 'uninstall']) {
      calls[verb] = await record(verb)
      whole[verb] = await state()
    }
    expect(whole.install).toContain('telec-watch.timer')
    expect(whole.uninstall).not.toContain('telec-watch.timer\n')
  })
  afterAll(() => subscriber?.dispose())

  test.each([
    ['install', 'uninstall'],
    ['uninstall', 'install'],
  ])(
    'telec %s',
    async (verb, back) => {
      const tally = createTally(`cuts of telec ${verb}, ${scope} scope`)
      if (verb === 'uninstall') await subscriber.telec('telec install')
      for (const [index, { call, occurrence }] of sampled(calls[verb] ?? [], 6).entries()) {
        const effect = EFFECTS[index % EFFECTS.length] ?? ''
        const options = ['-f', '-qq', '-y', '-o', trace, '--detach-on=execve', '-e', `trace=${call}`]
        const ended = await under([...options, '-e', `inject=${call}:${effect}:when=${occurrence}`], verb)
        const where = `${effect} at ${call} ${occurrence}: ${ended.stderr}`
        if (effect === 'signal=SIGKILL') expect(ended.code, where).toBe(137)
        else {
          const { stdout: injected } = await subscriber.sh(`grep INJECTED ${trace} || true`)
          const marks = call === 'clone' ? ['INJECTED'] : FOLDERS[scope] // a process that is started has no path
          const isReached = marks.some((mark) => injected.includes(mark))
          expect(isReached, `not reached: ${where}: ${injected}`).toBe(true)
          expect([0, 1, 75], where).toContain(ended.code)
        }
        expect(ended.stderr, where).not.toMatch(/^\s+at .*:\d+:\d+\)?$|a bug in telec/m)
        tally.add(`${call} ${effect.split('=')[1]}`, `exit code ${ended.code}`)
        await subscriber.telec(`telec ${verb}`)
        expect(await state(), where).toBe(whole[verb])
        await subscriber.telec(`telec ${back}`)
        expect(await state(), where).toBe(whole[back])
      }
      expect(tally.total()).toBeGreaterThanOrEqual(isWhole ? 20 : 5)
    },
    SWEEP_TIMEOUT_MS,
  )
})
