import { describe, expect, test } from 'vitest'
import { FORGES } from '../../src/releases/forges.ts'
import { placeOf as placeOn } from '../../src/releases/locate.ts'

const placeOf = (remote: string, apiUrl?: string) => placeOn(FORGES.github, remote, apiUrl)

const GITHUB = { api: 'https://api.github.com', host: 'github.com', path: 'ann/web' }
const ENTERPRISE = { api: 'https://git.example.com/api/v3', host: 'git.example.com', path: 'ann/web' }

describe('a remote on GitHub', () => {
  test.each([
    'https://github.com/ann/web.git',
    'https://github.com/ann/web',
    'https://github.com/ann/web/',
    'https://www.github.com/ann/web',
    'https://GitHub.com/ann/web',
    'https://x-access-token:ghp_secret@github.com/ann/web.git',
    'https://ann:p@ss@github.com/ann/web.git',
    'https://github.com:443/ann/web.git',
    'ssh://git@github.com/ann/web.git',
    'ssh://git@github.com:22/ann/web.git',
    'ssh://git@ssh.github.com:443/ann/web.git',
    'git+ssh://git@github.com/ann/web.git',
    'git@github.com:ann/web.git',
    'git@github.com:/ann/web.git',
    'github.com:ann/web',
    'git://github.com/ann/web.git',
  ])('%s', (remote) => {
    expect(placeOf(remote)).toEqual(GITHUB)
  })

  test.each<[string, string]>([
    ['https://git.example.com/ann/web.git', ENTERPRISE.api],
    ['git@git.example.com:ann/web.git', ENTERPRISE.api],
    ['ssh://git@git.example.com:2222/ann/web.git', ENTERPRISE.api],
    ['https://git.example.com:8443/ann/web.git', 'https://git.example.com:8443/api/v3'],
  ])('%s is on an enterprise server', (remote, api) => {
    expect(placeOf(remote)).toEqual({ ...ENTERPRISE, api })
  })

  test.each(['https://octo.ghe.com/ann/web.git', 'octo@octo.ghe.com:ann/web.git'])(
    '%s is on a subdomain of ghe.com',
    (remote) => {
      expect(placeOf(remote)).toEqual({
        api: 'https://api.octo.ghe.com',
        host: 'octo.ghe.com',
        path: 'ann/web',
      })
    },
  )

  test.each<[string, string]>([
    ['git@github-work:ann/web.git', 'https://api.github.com'],
    ['git@github-work:ann/web.git', 'https://api.github.com/'],
  ])('%s is a name of ssh, and api_url says %s', (remote, apiUrl) => {
    expect(placeOf(remote, apiUrl)).toEqual(GITHUB)
  })

  test('api_url decides whose token it is', () => {
    expect(placeOf('git@github.com:ann/web.git', 'https://git.example.com/api/v3/')).toEqual(ENTERPRISE)
  })
})

describe('no repository on GitHub is', () => {
  test.each<[string, string]>([
    ['/srv/git/web.git', 'HOST/OWNER/NAME'],
    ['../web.git', 'HOST/OWNER/NAME'],
    ['file:///srv/web.git', 'HOST/OWNER/NAME'],
    ['file:///srv/ann/web.git', 'HOST/OWNER/NAME'],
    ['https://github.com/web.git', 'HOST/OWNER/NAME'],
    ['https://gitlab.com/group/sub/web.git', 'HOST/OWNER/NAME'],
    ['https://github.com/ann/web?x=1', 'HOST/OWNER/NAME'],
    ['origin', 'HOST/OWNER/NAME'],
    ['', 'HOST/OWNER/NAME'],
    ['git@github-work:ann/web.git', 'github-work is no host'],
  ])('%j', (remote, why) => {
    expect(placeOf(remote)).toContain(why)
  })

  test('a URL with a password, of which nothing is said', () => {
    expect(placeOf('https://ann:secret@example.com/web')).not.toContain('secret')
  })
})

describe('a remote on another server', () => {
  test.each<[keyof typeof FORGES, string, string, string, string?]>([
    ['gitlab', 'https://gitlab.com/ann/web.git', 'https://gitlab.com/api/v4', 'ann/web'],
    ['gitlab', 'git@gitlab.com:group/sub/web.git', 'https://gitlab.com/api/v4', 'group/sub/web'],
    ['gitlab', 'ssh://git@altssh.gitlab.com:443/ann/web.git', 'https://gitlab.com/api/v4', 'ann/web'],
    ['gitlab', 'https://git.example.com:8443/ann/web', 'https://git.example.com:8443/api/v4', 'ann/web'],
    ['gitlab', 'ssh://git@git.example.com:2222/ann/web', 'https://git.example.com/api/v4', 'ann/web'],
    [
      'gitlab',
      'https://example.com/git/ann/web.git',
      'https://example.com/git/api/v4',
      'ann/web',
      'https://example.com/git/api/v4/',
    ],
    [
      'gitlab',
      'git@example.com:git/web.git',
      'https://example.com/git/api/v4',
      'git/web',
      'https://example.com/git/api/v4',
    ],
    ['gitea', 'https://codeberg.org/ann/web.git', 'https://codeberg.org/api/v1', 'ann/web'],
    ['gitea', 'git@git.example.com:ann/web.git', 'https://git.example.com/api/v1', 'ann/web'],
    [
      'gitea',
      'https://example.com/a/git/ann/web',
      'https://example.com/a/git/api/v1',
      'ann/web',
      'https://example.com/a/git/api/v1',
    ],
  ])('%s: %s', (kind, remote, api, path, apiUrl) => {
    expect(placeOn(FORGES[kind], remote, apiUrl)).toEqual({ api, host: new URL(api).hostname, path })
  })

  test.each<[keyof typeof FORGES, string, string]>([
    ['gitlab', 'https://gitlab.com/web.git', 'HOST/GROUP/NAME'],
    ['gitlab', '/srv/git/ann/web.git', 'HOST/GROUP/NAME'],
    ['gitea', 'https://git.example.com/group/sub/web.git', 'HOST/OWNER/NAME'],
    ['gitea', 'git@work:ann/web.git', 'work is no host'],
  ])('%s: %s is none', (kind, remote, why) => {
    expect(placeOn(FORGES[kind], remote)).toContain(why)
  })
})
