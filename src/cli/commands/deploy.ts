import { Command } from 'commander'
import { TelecError } from '../../system/errors.ts'
import type { DefineCommand } from '../main.ts'

/** Not a command: the answer to those who look for one. It is shown nowhere. */
export const deployAnswer: DefineCommand = () =>
  new Command('deploy')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => {
      throw new TelecError('usage', 'nothing is deployed by hand: deployment follows from pushing', {
        hint: 'git push, or tag a release; telec status says what has arrived, and telec watch looks at once',
      })
    })
