import * as v from 'valibot'
import type { Service } from '../../config/service.ts'
import { TelecError } from '../../system/errors.ts'
import { readText } from '../../system/files.ts'
import { tryCommand } from '../commands.ts'
import { readSupervisor } from '../run/manager.ts'
import { parseVariables } from '../variables.ts'
import { unitName } from './systemctl.ts'

/**
 * The service's own `Environment=` and `EnvironmentFile=`, as systemd knows them, with `service.environment`. Of several units
 * that of the first: together no process of the service has them. Under `telec run` the service has telec's own.
 */
export async function serviceEnvironment(service: Service): Promise<Record<string, string>> {
  const { world, config } = service
  if (!config.service?.environment || readSupervisor(service) !== null) return {}
  if (world.platform === 'darwin')
    throw new TelecError('config', 'service.environment is true, and needs systemd', {
      hint: 'write the variables to a file, and name it in deployment.env_file',
    })
  const unit = unitName(config.service.names[0])
  const get = async <Shape extends v.GenericSchema>(property: string, shape: Shape) => {
    // systemctl show quotes values, JSON does not.
    const argv = ['busctl', `--${config.service?.scope}`, '--json=short', 'get-property', BUS, objectOf(unit)]
    const { stdout, stderr } = await tryCommand(world, [...argv, `${BUS}.Service`, property])
    const answer = v.safeParse(v.pipe(v.string(), v.parseJson(), v.object({ data: shape })), stdout)
    if (answer.success) return answer.output.data as v.InferOutput<Shape>
    throw new TelecError('later', `systemd does not say the environment of ${unit}`, {
      because: stderr.trim() || 'busctl prints no value',
      hint: `ask it: systemctl --${config.service?.scope} show ${unit} --property=${property}`,
    })
  }
  const set = await get('Environment', v.array(v.string()))
  const files = await get('EnvironmentFiles', v.array(v.tuple([v.string(), v.boolean()])))
  const variables = Object.fromEntries(
    set.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  )
  // A file goes before Environment=, and a later file before an earlier one (systemd.exec(5)).
  for (const [path, mayBeMissing] of files) Object.assign(variables, readFileOf(unit, path, mayBeMissing))
  return variables
}

function readFileOf(unit: string, path: string, mayBeMissing: boolean): Record<string, string> {
  const text = readText(path)
  if (text !== null || mayBeMissing) return parseVariables(text ?? '').variables
  throw new TelecError('halted', `EnvironmentFile= of ${unit} names ${path}, which does not exist`, {
    hint: 'write it, or remove the line from the unit; then: telec-update --retry',
  })
}

const BUS = 'org.freedesktop.systemd1'

/** The unit's object on the bus: all but letters and digits as `_HEX` (sd_bus_path_encode(3)). */
function objectOf(unit: string): string {
  const bytes = [...Buffer.from(unit)].map((byte) => String.fromCharCode(byte))
  const name = bytes.map((one) =>
    /[A-Za-z0-9]/.test(one) ? one : `_${one.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `/org/freedesktop/systemd1/unit/${name.join('')}`
}
