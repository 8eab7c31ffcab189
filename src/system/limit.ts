import type { World } from './world.ts'

/** Acts, and turns a failure into a warning that begins with `what`. */
export async function orWarn(world: World, what: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    world.log.warning(`${what}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Waits for a promise for up to `ms` milliseconds, then rejects; does not cancel the work behind it. */
export async function within<Value>(promise: Promise<Value>, ms: number): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Acts every `ms` milliseconds, while the program has other work. @returns how to stop. */
export function every(ms: number, act: () => Promise<void>): () => void {
  const timer = setInterval(() => void act(), ms).unref()
  return () => clearInterval(timer)
}

/** Waits for all promises, also where one rejects, so that none still runs afterwards. */
export async function together<Results extends readonly unknown[]>(
  ...promises: { [Index in keyof Results]: Results[Index] | Promise<Results[Index]> }
): Promise<Results> {
  await Promise.allSettled(promises)
  return (await Promise.all(promises)) as unknown as Results
}
