import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { TelecError } from '../system/errors.ts'
import { writeDurably } from '../system/files.ts'
import { describeProject, type ProjectKind } from './projects.ts'
import { renderWorkflows } from './render.ts'

/** Writes a project's workflows; returns their paths. Throws a TelecError, and writes nothing, where one is there. */
export async function writeWorkflows(
  root: string,
  branch: string,
  kind: ProjectKind | undefined,
): Promise<string[]> {
  if (!existsSync(join(root, '.git')))
    throw new TelecError(
      'usage',
      `${root} is not the top of a git repository, where GitHub looks for workflows`,
      {
        hint: 'run it there, or name it: --checkout PATH',
      },
    )
  const workflows = renderWorkflows(describeProject(root, kind), branch)
  const existing = [...workflows.keys()].filter((path) => existsSync(join(root, path)))
  if (existing.length > 0)
    throw new TelecError('usage', `${existing.join(' and ')} exist already; telec does not overwrite them`, {
      hint: 'move them away, run it again, and take over what is missing',
    })
  for (const [path, text] of workflows) await writeDurably(join(root, path), text, { mode: 0o644 })
  return [...workflows.keys()]
}
