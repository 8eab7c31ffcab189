import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Target } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { changesBetween } from '../git/changes.ts'
import { commitsBetween, hasCommit, headCommit } from '../git/checkout.ts'
import { fetchMissing, fetchTarget } from '../git/fetch.ts'
import { fetchLargeFiles } from '../git/lfs.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { verifySignatures } from '../git/signatures.ts'
import { declaredBy } from '../git/target.ts'
import { committedBelow, exportTree } from '../git/tree.ts'
import { type Answer, askChecks } from '../migrate/overview.ts'
import { migrationsFolder, planMigrations } from '../migrate/plan.ts'
import { surroundingsOf } from '../migrate/run.ts'
import { findService } from '../service/find.ts'
import { inTemporaryFolder } from '../system/temporary.ts'

export interface Rehearsal {
  readonly target: Target
  /** Ids and subjects, newest first, at most `MOST_COMMITS`. */
  readonly commits: readonly string[]
  readonly files: readonly string[]
  /** The pending ones, and what their check() says now. */
  readonly migrations: readonly Answer[]
  readonly install: string | null
  /** The units that would be restarted. */
  readonly restarts: readonly string[]
}

const MOST_COMMITS = 20

/**
 * Lists what an update to `offered` would do. It fetches, checks signatures, and asks each check() from a copy of the
 * target's files; nothing else runs, and the checkout does not change. The caller holds the lock.
 */
export async function rehearse(service: Service, deployed: Target, offered: Target): Promise<Rehearsal> {
  const { world, config } = service
  const repository = locateRepository(world, config.deployment.checkout)
  const isHere = offered.version !== null && (await hasCommit(repository, offered.commit))
  if (!isHere) await fetchTarget(repository, config.deployment, offered)
  await verifySignatures(repository, config.deployment, deployed.commit, offered)
  await fetchMissing(repository, config.deployment, deployed.commit, offered.commit)
  const { version, hasLargeFiles } = await declaredBy(repository, offered, config.deployment.version_file)
  if (hasLargeFiles) await fetchLargeFiles(repository, config.deployment.remote, offered.commit)
  const target = { ...offered, version }
  const head = await headCommit(repository)
  const files = (await changesBetween(repository, head, target.commit)).map(({ path }) => path)
  return {
    target,
    commits: await commitsBetween(repository, head, target.commit, MOST_COMMITS),
    files,
    migrations: await askOfCopy(service, repository, deployed, target, files),
    install: config.deployment.install ?? null,
    restarts: findService(service)?.managers.map((manager) => manager.service) ?? [],
  }
}

async function askOfCopy(
  service: Service,
  repository: Repository,
  deployed: Target,
  target: Target,
  changed: readonly string[],
): Promise<Answer[]> {
  const { config } = service
  return inTemporaryFolder('rehearsal', async (code) => {
    await exportWithMigrations(repository, target.commit, migrationsFolder(config), code)
    linkUnknown(repository, code, [...changed, config.deployment.migrations])
    const deployment = { ...config.deployment, checkout: code }
    const copy = { ...service, config: { ...config, deployment } }
    const bounds = { from: null, to: target.version, deployed: deployed.version }
    const plan = await planMigrations(copy, bounds, 'worktree')
    const versions = { from: deployed.version, to: target.version }
    return await askChecks(plan.pending, { ...(await surroundingsOf(service, versions)), code })
  })
}

/** Writes the files of a commit, and of the submodule that holds its migrations. */
async function exportWithMigrations(
  repository: Repository,
  commit: string,
  migrations: string,
  to: string,
): Promise<void> {
  await exportTree(repository, commit, to)
  const own = await committedBelow(repository, commit, migrations)
  if (own.repository === repository) return
  const place = join(to, relative(repository.workTree, own.repository.workTree))
  mkdirSync(place, { recursive: true })
  await exportTree(own.repository, own.commit, place)
}

/** Links untracked entries at the top of the checkout into the copy, such as node_modules, but no migrations. */
function linkUnknown({ workTree }: Repository, copy: string, known: readonly string[]): void {
  const others = new Set(['.git', ...readdirSync(copy), ...known.map((path) => path.split('/')[0])])
  for (const name of readdirSync(workTree))
    if (!others.has(name)) symlinkSync(join(workTree, name), join(copy, name))
}
