import { join } from 'node:path'
import { nameOf } from '../channel/target.ts'
import type { Service } from '../config/service.ts'
import { headId } from '../git/checkout.ts'
import { locateRepository, type Repository } from '../git/repository.ts'
import { hasMoved, type UpdateState } from '../state/update-state.ts'
import { TelecError } from '../system/errors.ts'
import { readPlainText } from '../system/files.ts'

/**
 * Throws where the checkout is not there, or where its HEAD is at something else than what is deployed although no update
 * is to be gone on with: what starts then is not what telec says.
 */
export async function verifyCheckout(
  { world, config }: Service,
  state: UpdateState | null,
): Promise<Repository> {
  const repository = locateRepository(world, config.deployment.checkout)
  const { deployed, update } = state ?? { deployed: null, update: null }
  const head = await headId(repository)
  if (deployed === null || [deployed.commit, update?.left_at].includes(head)) return repository
  if (update && hasMoved(update)) return repository
  const { workTree, commonDir } = repository
  const isBranchThere = readPlainText(join(commonDir, deployed.ref))?.trim() === deployed.commit
  const place = isBranchThere ? deployed.ref.replace('refs/heads/', '') : deployed.commit.slice(0, 12)
  throw new TelecError('halted', `HEAD of ${workTree} is at ${head.slice(0, 12)}, not at what is deployed`, {
    because: `${nameOf(deployed)} is deployed; a service that starts now starts what HEAD is at`,
    hint: `see who moved it: git -C ${workTree} reflog; put it back: git -C ${workTree} checkout ${place}`,
  })
}
