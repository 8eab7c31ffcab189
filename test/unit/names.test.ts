import { describe, expect, it } from 'vitest'
import { pathsOf, pathsOfHome } from '../../src/config/paths.ts'
import { isServiceName } from '../../src/config/services.ts'
import { ownLabel } from '../../src/service/launchd/plan.ts'
import { ownUnit } from '../../src/service/systemd/systemctl.ts'

describe('a name of a service', () => {
  it.each(['web', 'Web-2', '_', '9', 'a'.repeat(32), '-'])('can be %s', (name) => {
    expect(isServiceName(name)).toBe(true)
  })

  it.each(['', '--', '-web', 'a.b', 'a/b', '..', 'a b', 'wéb', 'web\n', 'a@b', 'a'.repeat(33)])(
    'cannot be %j',
    (name) => {
      expect(isServiceName(name)).toBe(false)
    },
  )
})

describe('what a service has of its own', () => {
  it.each([
    ['/home/ada/.teleclaude', null, '/home/ada/.teleclaude', '/home/ada/.teleclaude/config.yml'],
    [
      '/home/ada/.teleclaude',
      'web',
      '/home/ada/.teleclaude/services/web',
      '/home/ada/.teleclaude/services/web/config.yml',
    ],
    ['/var/lib/telec', null, '/var/lib/telec', '/etc/telec/config.yml'],
    ['/var/lib/telec', 'web', '/var/lib/telec/services/web', '/etc/telec/services/web.yml'],
  ])('in %s, named %s: a home and a configuration', (folder, name, home, config) => {
    const paths = pathsOf(folder, name)
    expect(paths).toMatchObject({ name, home, config, signal: `${home}/update_signal.json` })
    expect(paths.scope).toBe(folder === '/var/lib/telec' ? 'system' : 'user')
    expect(pathsOfHome(home)).toEqual(paths)
  })

  it.each(['/services/web', '/srv/services/a.b', '/srv/web', '/srv/services/web/state'])(
    '%s is the home of a service without a name',
    (home) => {
      expect(pathsOfHome(home)).toMatchObject({ home, name: null })
    },
  )

  it.each([
    [null, 'telec-watch.timer', 'telec-update'],
    ['web-2', 'telec-watch@web-2.timer', 'telec-update.web-2'],
  ])('named %s: units and labels', (name, timer, label) => {
    const paths = pathsOf('/home/ada/.teleclaude', name)
    expect(ownUnit(paths, 'telec-watch.timer')).toBe(timer)
    expect(ownLabel(paths, 'telec-update')).toBe(label)
  })
})
