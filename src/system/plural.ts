/** `1 file`, `2 files`. Pure. @param plural For nouns that take more than an `s`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`
}
