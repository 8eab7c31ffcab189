import { existsSync, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Box, bootBox } from '../helpers/box.ts'
import { until } from '../helpers/until.ts'

const BASE = process.env.TELEC_BOX_DIR ?? '/var/tmp/telec-box'

const unitWantedBy = (target: string) => `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'id -un >>%h/ran'
[Install]
WantedBy=${target}
`

/** Processes of a box: those that see its host name. */
async function processesOf(name: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/root/etc/hostname`, 'utf8').trim() === name
    } catch {
      return false // ended meanwhile
    }
  })
}

describe('a box', () => {
  let box: Box
  beforeAll(async () => {
    box = await bootBox()
    await box.addUser('ada')
  })
  afterAll(() => box?.down())

  it('runs a real systemd under its own name', async () => {
    expect((await box.exec(['ps', '-o', 'comm=', '-p', '1'])).stdout.trim()).toBe('systemd')
    expect((await box.exec(['hostname'])).stdout.trim()).toBe(box.name)
    expect((await box.exec(['systemctl', 'is-system-running'])).stdout.trim()).toBe('running')
  })

  it('runs a command as it is told to', async () => {
    const options = { user: 'ada', cwd: '/tmp', env: { GREETING: 'two words' }, input: 'from the test\n' }
    const { stdout } = await box.sh('id -un; pwd; echo "$GREETING"; cat', options)
    expect(stdout).toBe('ada\n/tmp\ntwo words\nfrom the test\n')
    expect(await box.sh('echo out; echo err >&2; exit 42', { allowFailure: true })).toEqual({
      code: 42,
      stdout: 'out\n',
      stderr: 'err\n',
    })
    await expect(box.sh('exit 3')).rejects.toThrow('exited with 3')
  })

  it('runs units of the system and of a user, again after a power cut, and keeps the disk', async () => {
    await box.sh('cat >/etc/systemd/system/mark.service; systemctl enable --now mark.service', {
      input: unitWantedBy('multi-user.target'),
    })
    await box.sh(
      `mkdir -p ~/.config/systemd/user
       cat >~/.config/systemd/user/mark.service
       systemctl --user enable --now mark.service`,
      { input: unitWantedBy('default.target'), user: 'ada' },
    )
    const bootId = () => box.exec(['cat', '/proc/sys/kernel/random/boot_id'])
    const before = await bootId()
    await box.exec(['touch', '/tmp/not-on-the-disk'])

    const sleeping = box.exec(['sleep', 'infinity'], { allowFailure: true })
    await until(
      'the sleeper',
      async () => (await box.sh('pgrep -x sleep', { allowFailure: true })).code === 0,
    )
    await box.cut()
    expect((await sleeping).code).toBe(137)
    await expect(box.exec(['true'])).rejects.toThrow('is not up')
    await box.boot()

    expect((await box.exec(['cat', '/root/ran'])).stdout).toBe('root\nroot\n')
    expect((await box.exec(['cat', '/home/ada/ran'])).stdout).toBe('ada\nada\n')
    expect(await bootId()).not.toEqual(before)
    expect((await box.exec(['ls', '/tmp/not-on-the-disk'], { allowFailure: true })).code).not.toBe(0)
  })

  it('does not meet its neighbour: a unit of the same name, stopped in one, continues in the other', async () => {
    const other = await bootBox()
    try {
      for (const each of [box, other])
        await each.exec(['systemd-run', '--quiet', '--unit=same', 'sleep', 'infinity'])
      await box.exec(['systemctl', 'stop', 'same'])
      expect((await other.exec(['systemctl', 'is-active', 'same'])).stdout.trim()).toBe('active')
    } finally {
      await other.down()
    }
  })

  it('leaves nothing', async () => {
    expect(await processesOf(box.name)).not.toEqual([])
    await box.down()
    expect(await processesOf(box.name)).toEqual([])
    expect(await readFile('/proc/self/mountinfo', 'utf8')).not.toContain(box.name)
    expect(existsSync(`${BASE}/${box.name}`)).toBe(false)
    await box.down()
  })
})

describe('boxes with a network', () => {
  const boxes: Box[] = []
  afterAll(() => Promise.all(boxes.map((box) => box.down())))

  it('reach each other and this computer, until one loses its power', async () => {
    boxes.push(await bootBox({ net: '10.77.91.2/24' }), await bootBox({ net: '10.77.91.3/24' }))
    const [here, there] = boxes as [Box, Box]
    await there.exec([
      'systemd-run',
      '--quiet',
      '-p',
      'Type=exec',
      'python3',
      '-m',
      'http.server',
      '-d',
      '/etc',
      '8080',
    ])
    const ask = () =>
      here.exec(
        [
          'python3',
          '-c',
          'from urllib.request import *; print(urlopen("http://10.77.91.3:8080/hostname", timeout=1).read())',
        ],
        { allowFailure: true },
      )
    const answer = await until('the server', async () => {
      const { code, stdout, stderr } = await ask()
      if (code !== 0) throw new Error(stderr)
      return stdout
    })
    expect(answer).toContain(there.name)
    await there.cut()
    expect((await ask()).code).not.toBe(0)
    expect((await here.exec(['ip', 'route'])).stdout).toContain('10.77.91.0/24')
  })
})

describe('a box that does not come up', () => {
  it('leaves nothing', async () => {
    const before = await readFile('/proc/self/mountinfo', 'utf8')
    await expect(bootBox({ bind: ['/does-not-exist'] })).rejects.toThrow('/does-not-exist')
    expect(await readFile('/proc/self/mountinfo', 'utf8')).toBe(before)
  })
})
