// Builds dist/: one self-contained executable per program. The same commit gives the same bytes.
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { type BuildOptions, build, type Plugin } from 'esbuild'

const PROGRAMS = ['telec', 'telec-watch', 'telec-update', 'telec-migrate']
const TARGET = 'node20.20'

const root = process.cwd()

const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }

// An extensionless file is CommonJS or an ES module depending on the package.json around it, if there is one. This
// header and the iife format are valid as both, so that a bundle runs wherever it is copied. All that it requires comes
// with Node.js.
const REQUIRE = 'var require=process.getBuiltinModule;'
const HEADER = `#!/usr/bin/env node
${REQUIRE}`

// As the first process of a container, `telec run` inherits every orphan, and Node.js waits for its own children only:
// there a shell stays in front of it, which waits for all (wait(1) in dash, bash and busybox), and passes signals on.
// What is a command to the shell is a string and a comment to JavaScript.
const FRONT_DOOR_HEADER = `#!/bin/sh
":" //; [ $$ = 1 ] || exec node "$0" "$@"
":" //; exec 3<&0; node "$0" "$@" <&3 3<&- & child=$!
":" //; for name in TERM INT HUP QUIT USR1 USR2 WINCH; do trap "kill -$name $child" "$name"; done; exec 3<&-
":" //; while :; do wait "$child"; code=$?; kill -0 "$child" 2>/dev/null || break; done # a signal ends wait, too
":" //; [ -z "$BASH_VERSION" ] || { wait "$child"; code=$?; }; exit "$code" # bash may have reaped it meanwhile
${REQUIRE}`

const shared: BuildOptions = {
  bundle: true,
  minify: true,
  platform: 'node',
  target: TARGET,
  legalComments: 'none',
  logLevel: 'warning',
  // yaml offers Node its CommonJS build; of the other one only what is used ends up in the bundle.
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
}

/** Module loaders are ES modules, libraries have exports, all else is a program. */
function formatOf(path: string): 'esm' | 'cjs' | 'iife' {
  if (path.endsWith('-loader.ts')) return 'esm'
  return path.endsWith('-library.ts') ? 'cjs' : 'iife'
}

/** `packed:FILE` is a program below src/, bundled for itself and carried as compressed text until it is needed. */
const packed: Plugin = {
  name: 'packed',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^packed:/ }, ({ path }) => ({
      path: path.slice('packed:'.length),
      namespace: 'packed',
    }))
    onLoad({ filter: /.*/, namespace: 'packed' }, async ({ path }) => {
      const { text, inputs } = await pack(join(root, 'src', path), formatOf(path), [
        packed,
        packedLibraries,
        withoutDescriptions,
      ])
      return {
        // zlib is loaded with the text: not at every start.
        contents: `export const packed = '${text}'
export const source = () => ${unpacked('packed')}`,
        watchFiles: inputs,
        resolveDir: root,
      }
    })
  },
}

/**
 * Large libraries of which most starts need nothing: whoever imports one, which need not know, unpacks it then. An
 * `import()` on the way puts that off until it runs.
 */
const packedLibraries: Plugin = {
  name: 'packed-libraries',
  setup({ onResolve, onLoad, resolve }) {
    onResolve(
      { filter: /^(yaml|commander|execa|smol-toml|@clack\/prompts)$/ },
      async ({ path, pluginData, ...from }) => {
        if (pluginData === packedLibraries) return null
        const { importer, namespace, resolveDir, kind } = from
        const found = await resolve(path, {
          importer,
          namespace,
          resolveDir,
          kind,
          pluginData: packedLibraries,
        })
        // Not the path of a file: that may end in .mjs, which a CommonJS module cannot.
        return { path, namespace: 'packed-library', pluginData: found.path }
      },
    )
    onLoad({ filter: /.*/, namespace: 'packed-library' }, async ({ pluginData }) => {
      const { text } = await pack(pluginData, 'cjs', [])
      return {
        contents: `const { compileFunction } = process.getBuiltinModule('node:vm')
const load = compileFunction(${unpacked(`'${text}'`)}, ['require', 'module', 'exports'], { filename: process.argv[1] })
load(require, module, module.exports)`,
        resolveDir: root,
      }
    })
  },
}

/** What the keys of the configuration are for is said in the reference, and to editors: programs do without. */
const withoutDescriptions: Plugin = {
  name: 'without-descriptions',
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/config\/\w+\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      return {
        contents: text.replace(/\babout\(\s*(['"`])(?:\\.|(?!\1).)*\1,/gs, "about('',"),
        loader: 'ts',
      }
    })
  },
}

/** Bundles a file for itself and compresses it, as base64. */
async function pack(
  entry: string,
  format: 'esm' | 'cjs' | 'iife',
  plugins: Plugin[],
): Promise<{ text: string; inputs: string[] }> {
  const built = await build({
    ...shared,
    entryPoints: [entry],
    format,
    plugins,
    write: false,
    metafile: true,
  })
  return {
    text: brotliCompressSync(built.outputFiles[0]?.contents ?? new Uint8Array()).toString('base64'),
    inputs: Object.keys(built.metafile.inputs),
  }
}

/** JavaScript for the text that `expression` holds packed. */
function unpacked(expression: string): string {
  return `process.getBuiltinModule('node:zlib').brotliDecompressSync(Buffer.from(${expression}, 'base64')).toString()`
}

await mkdir('dist', { recursive: true })
await Promise.all(
  PROGRAMS.map(async (program) => {
    const outfile = `dist/.${program}.${process.pid}`
    await build({
      ...shared,
      entryPoints: [`src/cli/${program}.ts`],
      outfile,
      format: 'iife',
      banner: { js: program === 'telec' ? FRONT_DOOR_HEADER : HEADER },
      plugins: [packed, packedLibraries, withoutDescriptions],
    })
    await chmod(outfile, 0o755)
    await rename(outfile, `dist/${program}`) // whoever runs the one before goes on with it
  }),
)

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
