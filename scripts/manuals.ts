// Runs scripts/manuals/write.ts, which imports the programs, bundled as scripts/build bundles them.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** `SCHEME:FILE.ts` is a program inside the bundles, as text: no command runs here, so none is needed. */
const withoutPrograms: Plugin = {
  name: 'without-programs',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]+:.*\.ts$/ }, ({ path }) => ({ path, namespace: 'program' }))
    onLoad({ filter: /.*/, namespace: 'program' }, () => ({ contents: 'module.exports = {}' }))
  },
}

const { outputFiles } = await build({
  entryPoints: ['scripts/manuals/write.ts'],
  bundle: true,
  write: false,
  platform: 'node',
  loader: {
    '.py': 'text',
    '.service': 'text',
    '.timer': 'text',
    '.path': 'text',
    '.conf': 'text',
    '.plist': 'text',
  },
  define: { TELEC_VERSION: JSON.stringify(version), TELEC_COMMIT: '""' },
  plugins: [withoutPrograms],
})
execFileSync(process.execPath, ['-'], {
  input: outputFiles[0]?.contents,
  stdio: ['pipe', 'inherit', 'inherit'],
})
