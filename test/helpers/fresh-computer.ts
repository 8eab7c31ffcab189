import { onTestFinished } from 'vitest'
import { type Computer, makeComputer } from './computer.ts'

/** A computer for the test that is running, gone at its end. */
export async function freshComputer(options: Parameters<typeof makeComputer>[0] = {}): Promise<Computer> {
  const computer = await makeComputer(options)
  onTestFinished(() => computer.dispose())
  return computer
}
