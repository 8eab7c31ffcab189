#!/bin/bash
# Runs in a box, as a user with lingering: two services that telec keeps up to date, and five more computers in Redis.
# Writes the output of telec's commands, which the pictures and the README show, into the folder $1.
set -euo pipefail
out=$1
export GIT_AUTHOR_NAME=Ada GIT_AUTHOR_EMAIL=ada@example.org GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.org
redis=redis://127.0.0.1
redis-server --daemonize yes --save '' --dir /tmp >/dev/null

# add_service NAME: a remote, a clone that pushes, the checkout, and a running unit.
add_service() {
  git init --quiet --bare --initial-branch=main ~/"$1".git
  git clone --quiet ~/"$1".git ~/clones/"$1" 2>/dev/null
  cat >~/clones/"$1"/server.js <<'END'
process.on('SIGTERM', () => process.exit(42))
setInterval(() => {}, 60_000)
END
  push "$1" 1.0.0 'the first version'
  git clone --quiet ~/"$1".git ~/apps/"$1"
  mkdir -p ~/.config/systemd/user
  cat >~/.config/systemd/user/"$1".service <<END
[Service]
WorkingDirectory=%h/apps/$1
ExecStart=$(command -v node) server.js
[Install]
WantedBy=default.target
END
  systemctl --user enable --now --quiet "$1".service
}

# push NAME VERSION SUBJECT: with the files that are in the clone.
push() {
  echo "{\"name\": \"$1\", \"version\": \"$2\"}" >~/clones/"$1"/package.json
  git -C ~/clones/"$1" add --all
  git -C ~/clones/"$1" commit --quiet --message "$3"
  git -C ~/clones/"$1" tag "v$2"
  git -C ~/clones/"$1" push --quiet origin HEAD:main "v$2"
}

# until_status NAME PATTERN: as telec status --json prints it.
until_status() {
  for _ in $(seq 600); do
    if telec status "$1" --json | tr -d ' \n' | grep -qE "$2"; then return; fi
    sleep 0.1
  done
  telec status "$1"
  return 1
}

# type COMMAND: as a user types it, with its output.
type_() {
  printf '$ %s\n' "$1"
  bash -c "$1" 2>&1
}

add_service web
cd ~
{
  type_ 'telec init --checkout ~/apps/web --service web.service'
  sed -i 's/# poll_every: 60s/poll_every: 5s   /' ~/.teleclaude/config.yml
  type_ 'telec install'
  push web 1.1.0 'serve the new front page'
  until_status - '"deployed":\{"version":"1.1.0"[^{]*\},.*"update":null'
  echo '$ git push'
  type_ 'telec history'
} >"$out/session"
telec status >"$out/status"
printf 'redis:\n  url: %s\n' "$redis" >>~/.teleclaude/config.yml
telec install >/dev/null
telec watch >/dev/null 2>&1

add_service worker
telec init --name worker --checkout ~/apps/worker --service worker.service >/dev/null 2>&1
printf 'redis:\n  url: %s\n' "$redis" >>~/.teleclaude/services/worker/config.yml
telec install worker >/dev/null
mkdir -p ~/clones/worker/migrations/v1.1.0
cat >~/clones/worker/migrations/v1.1.0/001_queue.js <<'END'
export const check = () => false
export function migrate() {
  throw new Error('settings.json has no key "queue"')
}
END
push worker 1.1.0 'move the queue into settings.json'
telec watch worker >/dev/null 2>&1
until_status worker '"halted":\{'
telec status >"$out/services"
telec status worker >"$out/halt"

for computer in attic:1.1.0 cellar:1.0.0 garage:1.1.0 kitchen:1.1.0 office:1.1.0; do
  name=${computer%:*}
  export TELEC_HOME=~/fleet/$name/home
  git clone --quiet ~/web.git ~/fleet/"$name"/web
  git -C ~/fleet/"$name"/web reset --quiet --hard "v${computer#*:}"
  telec init --checkout ~/fleet/"$name"/web >/dev/null 2>&1
  printf 'computer: %s\nredis:\n  url: %s\n' "$name" "$redis" >>"$TELEC_HOME"/config.yml
  telec watch >/dev/null 2>&1
done
unset TELEC_HOME
telec status --fleet --html "$out/fleet.html" >/dev/null
