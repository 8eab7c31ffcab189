import { statSync } from 'node:fs'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** A line of a test that boots computers takes so much longer than one of the others. */
const SYSTEMS_WEIGHT = 4

/** Starts what takes long first, by the size of the files: the last to end has to be a short one. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weight = ({ moduleId, project }: TestSpecification) =>
      statSync(moduleId).size * (project.name === 'systems' ? SYSTEMS_WEIGHT : 1)
    return files.toSorted((a, b) => weight(b) - weight(a))
  }
}
