import { COMMANDS, verifyProgram } from '../service/programs-found.ts'
import type { Checks } from './check.ts'

/** Whether the programs are there that the commands of the configuration start with. */
export const COMMAND_CHECKS: Checks = Object.fromEntries(
  (Object.keys(COMMANDS) as (keyof typeof COMMANDS)[]).map((key) => [
    key,
    (service) => verifyProgram(service, key),
  ]),
)
