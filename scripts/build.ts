// Builds dist/: one self-contained executable per program, and the licenses of what they bundle. The same commit gives
// the same bytes.
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild'
import { bundledPackages, idOf, noticesOf } from './lib/bundled.ts'
import { programText } from './lib/program-text.ts'

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']
const TARGET = 'node20.19'

const root = process.cwd()

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

// An extensionless file is CommonJS or an ES module depending on the package.json around it, if there is one. This
// header and the iife format are valid as both, so that a bundle runs wherever it is copied. All that it requires comes
// with Node.js.
const REQUIRE = 'var require=process.getBuiltinModule;'
const HEADER = `#!/usr/bin/env node
${REQUIRE}`

// A shell goes first, which ends or becomes Node.js. To that its script is a comment, behind a string.
const [, ...quietScript] = (await readFile('src/watch/quiet.sh', 'utf8')).split('\n')
const WATCH_HEADER = `#!/bin/sh
":" /*
${quietScript.join('\n')}# */;
${REQUIRE}`

// As the first process of a container, `telec run` inherits every orphan, and Node.js waits for its own children only:
// there a shell stays in front of it, which waits for all (wait(1) in dash, bash and busybox), and passes signals on.
// The shell reads a command where JavaScript reads a string and a comment.
const FRONT_DOOR_HEADER = `#!/bin/sh
":" //; [ $$ = 1 ] || exec node "$0" "$@"
":" //; exec 3<&0; node "$0" "$@" <&3 3<&- & child=$!
":" //; for name in TERM INT HUP QUIT USR1 USR2 WINCH; do trap "kill -$name $child" "$name"; done; exec 3<&-
":" //; while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || break; done # a signal ends wait, too
":" //; [ -z "$BASH_VERSION" ] || { wait "$child"; code=$?; }; exit "$code" # bash may have reaped it meanwhile
${REQUIRE}`

const HEADERS: Readonly<Record<string, string>> = { telec: FRONT_DOOR_HEADER, 'telec-watch': WATCH_HEADER }

const metafiles: Metafile[] = []

/** Keeps esbuild's metadata of all builds, including programs within programs. */
const noted: Plugin = {
  name: 'noted',
  setup({ onEnd }) {
    onEnd(({ metafile }) => {
      if (metafile) metafiles.push(metafile)
    })
  },
}

const shared = {
  bundle: true,
  metafile: true,
  plugins: [noted],
  minify: true,
  platform: 'node',
  target: TARGET,
  legalComments: 'none',
  logLevel: 'warning',
  // yaml gives Node its CommonJS build; of the other one the bundle has only the used parts.
  alias: { yaml: join(root, 'node_modules/yaml/browser/index.js') },
  loader: {
    '.py': 'text',
    '.service': 'text',
    '.timer': 'text',
    '.path': 'text',
    '.conf': 'text',
    '.plist': 'text',
  },
  define: {
    TELEC_VERSION: JSON.stringify(version),
    TELEC_COMMIT: JSON.stringify(commit()),
    __filename: '"telec"', // write-file-atomic hashes it into the names of temporary files
  },
} satisfies BuildOptions

/** `program:FILE` is a program below src/ that runs in a process of its own: its text, bundled for itself. */
const programs: Plugin = {
  name: 'programs',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^program:/ }, ({ path }) => ({
      path: path.slice('program:'.length),
      namespace: 'program',
    }))
    onLoad({ filter: /.*/, namespace: 'program' }, async ({ path }) => ({
      contents: await programText(join(root, 'src', path), shared),
      loader: 'text',
    }))
  },
}

const built = await Promise.all(
  PROGRAMS.map(async (program) => {
    const { outputFiles } = await build({
      ...shared,
      entryPoints: [`src/cli/${program}.ts`],
      outfile: `dist/${program}`,
      write: false,
      format: 'iife',
      banner: { js: HEADERS[program] ?? HEADER },
      plugins: [...shared.plugins, programs],
    })
    return { program, contents: outputFiles[0]?.contents ?? '' }
  }),
)
const packages = bundledPackages(metafiles)

await mkdir('dist', { recursive: true })
for (const { program, contents } of built) {
  const file = `dist/.${program}.${process.pid}`
  await writeFile(file, contents)
  await chmod(file, 0o755)
  await rename(file, `dist/${program}`) // a running program keeps the old file
}

await writeFile('dist/THIRD-PARTY-NOTICES', noticesOf(packages))
await writeFile('dist/bundled.json', `${JSON.stringify(packages.map(idOf), null, 2)}\n`) // for scripts/sbom.ts

// As CommonJS Node.js starts them sooner than as ES modules, which package.json above would make them.
await writeFile('dist/package.json', '{ "type": "commonjs" }\n')

/** The commit that is built; `-dirty` where files differ from it, `unknown` outside a repository. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--abbrev=40', '--dirty', '--exclude=*'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
