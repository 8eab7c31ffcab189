import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readText, writeJson } from '../system/files.ts'
import { TimeSchema } from '../system/schemas.ts'

const PageSchema = v.object({
  etag: v.nullable(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/))),
  releases: v.array(v.object({ tag: v.string(), prerelease: v.boolean() })),
  isLast: v.boolean(),
})
export type Page = v.InferOutput<typeof PageSchema>

const CacheSchema = v.object({
  /** Of the list; another repository's pages are not taken for this one's. */
  url: v.string(),
  pages: v.array(PageSchema),
  /** The server asked to be left alone until then by those with that token: each has a limit of its own. */
  wait: v.nullable(v.object({ until: TimeSchema, token: v.nullable(v.string()) })),
})
export type ReleasesCache = v.InferOutput<typeof CacheSchema>

/** It saves requests, and is no state: one that cannot be understood is as good as none, and replaced. */
export function readReleases(paths: Paths, url: string): ReleasesCache {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), CacheSchema), readText(paths.releases) ?? '')
  return parsed.success && parsed.output.url === url ? parsed.output : { url, pages: [], wait: null }
}

export function writeReleases(paths: Paths, cache: ReleasesCache): Promise<void> {
  return writeJson(paths.releases, cache)
}
