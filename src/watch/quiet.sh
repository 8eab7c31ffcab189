#!/bin/sh
# Polls without Node.js while nothing changes. A poll that finds nothing new writes the file `quiet` (see quiet.ts), a line
# each: valid from, valid until, git's memory in KiB, the checkout's .git, the configuration, the number of lines of the
# remote's answer, these lines, then the variables and the command that ask the remote. In doubt Node.js polls.
# shellcheck disable=SC2046,SC3013,SC3045,SC3067 # lines become words; dash, bash, busybox have -nt, -O, ulimit -d
home=${TELEC_HOME:-$HOME/.teleclaude} quiet=${TELEC_HOME:-$HOME/.teleclaude}/quiet IFS='
'
says_the_same() {
  set -f -- $(cat "$quiet") && now=$(date +%s) && [ "$1" -le "$now" ] && [ "$now" -lt "$2" ] && [ -O "$4" ] || return
  [ "$quiet" -nt "$5" ] && [ ! "${5%/*}" -nt "$quiet" ] && kib=$3 lines=$6 && shift 6 && known="$*" && shift "$lines" || return
  said=$(
    for name in $(export -p); do name=${name%%=*} && case ${name##* } in GIT_* | SSH_ASKPASS*) unset "${name##* }" ;; esac done
    until [ "$1" = timeout ]; do export "${1?}" && shift; done
    ulimit -d "$kib" && "$@" && echo .
  ) && said="$said$IFS$*" && [ ${#said} -lt 30000 ] && export TELEC_REMOTE_SAID="$said" # Linux takes 128 KiB
  [ "$said" = "$known" ]
}
unset TELEC_REMOTE_SAID
case $#$*$TELEC_DEBUG${TELEC_NAME#-} in 0 | 1--scheduled)
  [ -O "$quiet" ] && [ "$quiet" -nt "$home/update_state.json" ] &&
    [ ! "$home" -nt "$quiet" ] && [ ! -e "$home/update_signal.json" ] && { [ "$TELEC_NAME" ] || [ ! -e "$home/services" ]; } &&
    says_the_same 2>/dev/null && touch -c "$home/watch_state.json" && exit ;;
esac
exec "${TELEC_NODE:-node}" "$0" "$@"
