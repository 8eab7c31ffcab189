// Prints the parts of the programs in dist/, in CycloneDX: npm's data about the bundled packages.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Component {
  readonly 'bom-ref': string
}

interface Sbom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const read = (name: string): unknown => JSON.parse(readFileSync(name, 'utf8'))
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' })

const { name } = read('package.json') as { name: string }
const bundled = read(join('dist', 'bundled.json')) as string[]
const all = JSON.parse(
  run(
    'npm',
    'sbom',
    '--include=dev',
    '--package-lock-only',
    '--sbom-format=cyclonedx',
    '--sbom-type=application',
  ),
) as Sbom

// For npm they are optional and only for development: it does not know that they are bundled.
const components = all.components
  .filter((one) => bundled.includes(one['bom-ref']))
  .map((one) => ({ ...one, scope: 'required', properties: [] }))
const missing = bundled.filter((id) => !components.some((one) => one['bom-ref'] === id))
if (missing.length > 0) throw new Error(`npm sbom does not list bundled packages: ${missing.join(', ')}`)

const root = all.metadata.component['bom-ref']
const dependencies = all.dependencies
  .filter(({ ref }) => ref === root || bundled.includes(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((id) => bundled.includes(id)) }))

// npm takes the name from the folder, the time from the clock and the serial number from chance.
const metadata = {
  ...all.metadata,
  lifecycles: [{ phase: 'build' }],
  timestamp: new Date(Number(run('git', 'log', '-1', '--format=%ct')) * 1000).toISOString(),
  component: { ...all.metadata.component, name },
}
const sbom = { ...all, metadata, components, dependencies }
console.log(JSON.stringify({ ...sbom, serialNumber: serialNumberOf(sbom) }, null, 2))

/** A UUID of RFC 9562's version 8: of what the document says. */
function serialNumberOf(document: object): string {
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...document, serialNumber: '' }))
    .digest('hex')
  const parts = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`, `8${hash.slice(17, 20)}`]
  return `urn:uuid:${parts.join('-')}-${hash.slice(20, 32)}`
}
