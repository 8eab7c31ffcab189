import { SERVICE, type Subscriber } from './subscriber.ts'

/** Who owns the checkout, and a group that only the databases of groups tell of. */
export const WEB = { name: 'web', group: 'deployers', home: '/home/web', checkout: '/home/web/app' } as const

/**
 * Gives the checkout of a system-wide subscriber that is not installed yet to a user of its own, in a home that others
 * cannot enter, and has the service run as that user. What runs says who it is in the journal, under the name `who`.
 */
export async function giveToWeb(subscriber: Subscriber): Promise<void> {
  const { box, bin } = subscriber
  const { name, group, home, checkout } = WEB
  await box.sh(
    `groupadd ${group}
useradd --create-home --shell /bin/bash --groups ${group} ${name}
chmod 700 ${home}
mv /root/app ${checkout}
cat >${home}/say <<'SAY'
#!/bin/sh
logger -t who "$1 $(id -un) $(id -Gn | tr ' ' ,) HOME=$HOME USER=$USER LOGNAME=$LOGNAME PWD=$(pwd)"
SAY
chmod +x ${home}/say
chown -R ${name}: ${home}
systemctl stop --quiet ${SERVICE}
sed -i 's,^WorkingDirectory=.*,WorkingDirectory=${checkout}\\nUser=${name},; /^ExecStopPost=/d' /etc/systemd/system/${SERVICE}
systemctl daemon-reload
systemctl start ${SERVICE}
sed -i 's,checkout: [^ ]*,checkout: ${checkout},' /etc/telec/config.yml
sed -i "s,# install: make install *#,install: ${home}/say install \\&\\& touch made-by-install #,; s,# health: [^#]*#,health: ${home}/say health #," /etc/telec/config.yml`,
  )
  // telec runs as the owner from now on; root only installs.
  const asRoot = /^telec (install|uninstall|init|logs)\b/
  subscriber.telec = (commandLine, options) =>
    box.sh(`${bin}/${commandLine}`, asRoot.test(commandLine) ? options : { user: name, ...options })
}

/** The lines: what, who, their groups, their environment. */
export async function whoSaid({ box }: Subscriber): Promise<string[]> {
  const { stdout } = await box.sh('journalctl --quiet --output=cat -t who')
  return stdout.split('\n').filter(Boolean)
}

/** Migrations in every language, each of which says who runs it; for `push`. */
export function sayingMigrations(version: string): Record<string, string> {
  const folder = `migrations/v${version}`
  return {
    [`${folder}/001_node.ts`]: `import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
export const check = (): boolean => existsSync('of-node')
export const migrate = (): boolean => {
  execFileSync('${WEB.home}/say', ['node'])
  writeFileSync('of-node', '')
  return true
}
`,
    [`${folder}/002_python.py`]: `import os, subprocess
def check(): return os.path.exists('of-python')
def migrate():
    subprocess.run(['${WEB.home}/say', 'python'], check=True)
    open('of-python', 'w').close()
    return True
`,
    [`${folder}/003_executable`]: `#!/bin/sh
[ "$1" = migrate ] || { [ -e of-executable ]; exit; }
${WEB.home}/say executable && touch of-executable
`,
  }
}
