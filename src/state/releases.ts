import * as v from 'valibot'
import type { Paths } from '../config/paths.ts'
import { readText, writeJson } from '../system/files.ts'
import { fromJson, TimeSchema } from '../system/schemas.ts'

const PageSchema = v.object({
  etag: v.nullable(v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/))),
  releases: v.array(v.object({ tag: v.string(), prerelease: v.boolean() })),
  isLast: v.boolean(),
})
export type Page = v.InferOutput<typeof PageSchema>

const CacheSchema = v.object({
  /** The URL of the list: each repository needs its own cache. */
  url: v.string(),
  pages: v.array(PageSchema),
  /** The server takes no requests until then; each token has its own limit. */
  wait: v.nullable(v.object({ until: TimeSchema, token: v.nullable(v.string()) })),
})
export type ReleasesCache = v.InferOutput<typeof CacheSchema>

/** An empty cache for another URL, and for a file that cannot be understood: a cache is no state. */
export function readReleases(paths: Paths, url: string): ReleasesCache {
  const cache = fromJson(CacheSchema, readText(paths.releases))
  return cache?.url === url ? cache : { url, pages: [], wait: null }
}

export function writeReleases(paths: Paths, cache: ReleasesCache): Promise<void> {
  return writeJson(paths.releases, cache)
}
