// Runs scripts/manuals/write.ts, which imports the programs: with what scripts/build puts into their bundles.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { build, type Plugin } from 'esbuild'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** Programs that the bundles carry as text: no command is run here. */
const withoutPrograms: Plugin = {
  name: 'without-programs',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^packed:/ }, ({ path }) => ({ path, namespace: 'packed' }))
    onLoad({ filter: /.*/, namespace: 'packed' }, () => ({ contents: 'export let source, packed' }))
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
