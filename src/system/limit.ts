import type { World } from './world.ts'

/** Does what must not fail the work that it belongs to: a fault is a warning that begins with `what`. */
export async function orWarn(world: World, what: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    world.log.warning(`${what}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Waits for a promise, but no longer than `ms` milliseconds; then it rejects. What it waited for goes on. */
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

/** Does something every `ms` milliseconds, for as long as the program has other things to do. @returns how to end it. */
export function every(ms: number, act: () => Promise<void>): () => void {
  const timer = setInterval(() => void act(), ms).unref()
  return () => clearInterval(timer)
}

/** Does things at the same time, and waits for all of them also where one fails: none goes on behind what follows. */
export async function together<Results extends readonly unknown[]>(
  ...promises: { [Index in keyof Results]: Results[Index] | Promise<Results[Index]> }
): Promise<Results> {
  await Promise.allSettled(promises)
  return (await Promise.all(promises)) as unknown as Results
}
