import { describe, expect, test } from 'vitest'
import { accessFault } from '../../src/git/access.ts'

const asked = { remote: 'origin', workTree: '/srv/web', user: 'web' }
const ssh = (said: string) => accessFault({ ...asked, url: 'git@git.example.com:team/web.git' }, said)
const http = (said: string) => accessFault({ ...asked, url: 'https://git.example.com/team/web.git' }, said)
const ACCESS = "fatal: unable to access 'https://git.example.com/team/web.git/': "
const DENIED = 'git@git.example.com: Permission denied (publickey).\n'
const KEY = 'ED25519 SHA256:gG0J/rd4LtrXChiIhLCisKik+6Wfz3XRZmJbwv4ywFM explicit\n'

describe('messages of git and ssh, and their causes', () => {
  test.each([
    ['Host key verification failed.\n', /does not know the host key of git\.example\.com/],
    [
      'No ED25519 host key is known for git.example.com and you have requested strict checking.\nHost key verification failed.\n',
      /does not know the host key/,
    ],
    [
      '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key for git.example.com has changed and you have requested strict checking.\nHost key verification failed.\n',
      /host key of git\.example\.com has changed/,
    ],
    [
      `debug1: Offering public key: /home/u/.ssh/id ${KEY}debug1: Server accepts key: /home/u/.ssh/id ${KEY}${DENIED}`,
      /the key \/home\/u\/\.ssh\/id has a passphrase/,
    ],
    [`debug1: Offering public key: /home/u/.ssh/id ${KEY}${DENIED}`, /refuses the key \/home\/u\/\.ssh\/id$/],
    [DENIED, /refuses the login/],
    ['Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\n', /refuses the login/],
    [`Load key "/home/u/.ssh/id": Permission denied\n${DENIED}`, /cannot use the key \/home\/u\/\.ssh\/id/],
    [`Load key "/home/u/.ssh/id": error in libcrypto\n${DENIED}`, /cannot use the key/],
    [
      `Warning: Identity file /x not accessible: No such file or directory.\n${DENIED}`,
      /the key \/x is missing/,
    ],
    [
      `sign_and_send_pubkey: signing failed for ED25519 "/x" from agent: agent refused operation\n${DENIED}`,
      /does not sign with the key \/x/,
    ],
    ['ERROR: Repository not found.\nfatal: Could not read from remote repository.\n', /no such repository/],
    [
      "remote: ERROR: The project you were looking for could not be found or you don't have permission to view it.\n",
      /no such repository/,
    ],
    ['Gitea: Cannot find repository: team/web\n', /no such repository/],
    ["fatal: '/srv/web.git' does not appear to be a git repository\n", /no such repository/],
  ])('over ssh: %s', (said, message) => expect(ssh(said)?.message).toMatch(message))

  test.each([
    [`${ACCESS}SSL certificate problem: certificate has expired\n`, /has expired/],
    [`${ACCESS}SSL certificate problem: self signed certificate\n`, /does not trust/],
    [`${ACCESS}SSL certificate problem: self-signed certificate in certificate chain\n`, /does not trust/],
    [`${ACCESS}SSL certificate problem: unable to get local issuer certificate\n`, /does not trust/],
    [`${ACCESS}server certificate verification failed. CAfile: none CRLfile: none\n`, /does not trust/],
    [
      `${ACCESS}SSL: no alternative certificate subject name matches target host name 'git.example.com'\n`,
      /another name/,
    ],
    [`${ACCESS}Received HTTP code 407 from proxy after CONNECT\n`, /proxy asks for a login/],
    [`${ACCESS}CONNECT tunnel failed, response 407\n`, /proxy asks for a login/],
    [
      "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled\n",
      /this computer has none/,
    ],
    ["fatal: Authentication failed for 'https://git.example.com/team/web.git/'\n", /refuses the login/],
    [`${ACCESS}The requested URL returned error: 403\n`, /\(403\)/],
    [
      "remote: Repository not found.\nfatal: repository 'https://git.example.com/team/web.git/' not found\n",
      /\(404\)/,
    ],
  ])('over https: %s', (said, message) => expect(http(said)?.message).toMatch(message))

  test('the commands in hints can be pasted for any key', () => {
    const refused = (key: string) => ssh(`debug1: Offering public key: ${key} ${KEY}${DENIED}`)?.hint
    expect(refused('/home/web/.ssh/web')).toContain('cat /home/web/.ssh/web.pub;')
    expect(refused("/home/ann's $HOME/key")).toContain("cat '/home/ann'\\''s $HOME/key.pub';")
  })

  test.each([
    'ssh: connect to host git.example.com port 22: Connection refused\n',
    'Warning: Identity file /x not accessible: No such file or directory.\nssh: Could not resolve hostname git.example.com\n',
  ])('out of reach is no refusal: %s', (said) => expect(ssh(said)).toBeNull())

  test.each([
    `${ACCESS}Could not resolve host: git.example.com\n`,
    `${ACCESS}The requested URL returned error: 503\n`,
  ])('out of reach is no refusal: %s', (said) => expect(http(said)).toBeNull())
})
