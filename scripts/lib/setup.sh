# shellcheck shell=bash
# What the scripts share: each sets up what it needs, and says nothing if that is there already.
# Source it; `telec_root` is then the repository's folder.

telec_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

# Node binaries of need_nodes, as FOLDER/VERSION/bin/node. Outside node_modules, which npm ci empties.
node_cache=${XDG_CACHE_HOME:-$HOME/.cache}/telec/node

# What test/systemd/box boots and is made of, for need_packages.
# shellcheck disable=SC2034 # for those who source this
BOX_PACKAGES=(
  dbus-user-session:/usr/lib/systemd/user/dbus.socket
  dbus:dbus-daemon
  iproute2:ip
  libpam-systemd:/usr/share/pam-configs/systemd
  systemd:/lib/systemd/systemd
  util-linux:nsenter
)

setup_failed() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

# quietly WHAT CMD...: shows what the command printed only if it fails. `set -e` does not work inside of it, as in
# any condition; functions that are run by it chain their steps.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    setup_failed "$what failed; its output is above"
  fi
  rm -f "$log"
}

need_node() {
  local found
  found=$(node --version 2>/dev/null) || setup_failed 'needs Node.js 20.19 or newer, and there is no node on the PATH'
  [[ $found =~ ^v([0-9]+)\.([0-9]+)\. ]] || setup_failed "does not understand '$found' of $(command -v node)"
  ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= 20019)) ||
    setup_failed "needs Node.js 20.19 or newer; $(command -v node) is $found"
}

# need_packages PACKAGE:TOOL...: Debian packages, each with a command or a path by which to see that it is there.
need_packages() {
  local pair tool packages=() tools=()
  for pair in "$@"; do
    tool=${pair#*:}
    case $tool in
      /*) [ ! -e "$tool" ] || continue ;;
      *) ! command -v "$tool" >/dev/null || continue ;;
    esac
    packages+=("${pair%%:*}")
    tools+=("$tool")
  done
  [ ${#packages[@]} -gt 0 ] || return 0

  if [ "$(uname)" = Darwin ]; then
    echo "not on this computer, so what needs them will fail: ${tools[*]}" >&2
    return 0
  fi
  local install=(apt-get install --yes --no-install-recommends "${packages[@]}")
  [ "$(id -u)" = 0 ] || setup_failed "needs ${packages[*]}; install with: sudo ${install[*]}"
  command -v apt-get >/dev/null || setup_failed "needs ${tools[*]} (Debian: ${packages[*]})"
  quietly "installing ${packages[*]}" install_packages "${install[@]}"
}

# The package lists may be absent or old, which is found out by installing.
install_packages() (
  export DEBIAN_FRONTEND=noninteractive
  # Tests start their own servers; the packages' must not take the ports. A policy that is there is left alone.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  "$@" || { apt-get update && "$@"; }
)

# The modules that package-lock.json names.
need_modules() {
  need_node
  modules_match_lock || (cd "$telec_root" && quietly 'npm ci' npm ci --include=dev --no-audit --no-fund)
}

# npm keeps what it installed in node_modules/.package-lock.json, without the optional ones of other platforms.
modules_match_lock() {
  (cd "$telec_root" && node -e '
    const packages = (file) => JSON.parse(require("node:fs").readFileSync(file, "utf8")).packages
    const wanted = packages("package-lock.json")
    const installed = packages("node_modules/.package-lock.json")
    const same = (a, b) => a.version === b.version && a.integrity === b.integrity
    const matches =
      Object.keys(installed).every((path) => path in wanted) &&
      Object.entries(wanted).every(([path, it]) =>
        path === "" || (path in installed ? same(it, installed[path]) : it.optional),
      )
    process.exit(matches ? 0 : 1)
  ') 2>/dev/null
}

# need_nodes VERSION...: the newest Node.js of each (20, 20.19), as $node_cache/VERSION/bin/node.
need_nodes() {
  need_node
  local platform version
  case $(uname -sm) in
    'Linux x86_64') platform=linux-x64 ;;
    'Linux aarch64') platform=linux-arm64 ;;
    'Darwin arm64') platform=bin-darwin-arm64 ;;
    'Darwin x86_64') platform=darwin-x64 ;;
    *) setup_failed "there is no Node.js package for $(uname -sm)" ;;
  esac
  for version in "$@"; do
    # npm has fewer of them for macOS: a check that needs a missing one fails there and names it.
    is_node "$node_cache/$version" "$version" ||
      (quietly "getting Node.js $version" get_node "node-$platform" "$version") || [ "$(uname)" = Darwin ] || exit 1
  done
}

is_node() {
  [[ $("$1/bin/node" --version 2>/dev/null) = "v$2".* ]]
}

get_node() (
  mkdir -p "$node_cache" && new=$(mktemp -d "$node_cache/new.XXXXXX") || exit
  trap 'rm -rf "$new"' EXIT
  # A range, because the package's tags do not name these versions. npm pack runs no scripts.
  npm pack "$1@$2.x" --pack-destination "$new" &&
    mkdir "$new/node" &&
    tar -xzf "$new"/*.tgz -C "$new/node" --strip-components 1 package/bin/node &&
    is_node "$new/node" "$2" &&
    rm -rf "${node_cache:?}/$2" &&
    mv "$new/node" "$node_cache/$2"
)

# run_ts FILE [ARG...]: runs a TypeScript file. Its bundle lies in node_modules/.cache/telec while it runs.
run_ts() {
  local file=$1 bundle status=0
  shift
  need_modules
  bundle=$telec_root/node_modules/.cache/telec/$(basename "$file" .ts).$$.mjs
  "$telec_root/node_modules/.bin/esbuild" "$file" --bundle --platform=node --format=esm --packages=external \
    --sourcemap=inline --log-level=warning --outfile="$bundle"
  node --enable-source-maps "$bundle" "$@" || status=$?
  rm -f "$bundle"
  return "$status"
}
