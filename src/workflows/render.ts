import ci from '../../units/github/ci.yml'
import release from '../../units/github/release.yml'
import { VERSION } from '../system/version.ts'
import type { Project } from './projects.ts'

/** The workflows of a project whose computers telec keeps up to date: paths below its root, with their texts. */
export function renderWorkflows(project: Project, branch: string): ReadonlyMap<string, string> {
  const values: Record<string, string> = {
    branch: JSON.stringify(branch),
    telec: `telec@^${VERSION}`,
    test: steps(project.test),
    version: project.version === null ? '' : steps(verifyVersion(project.version)),
  }
  const fill = (template: string) =>
    template
      .replace(/@(branch|telec|test|version)@/g, (_, name: string) => values[name] ?? '')
      .replace(/\n{2,}(?= {6}- )/g, '\n') // where there is no step
  return new Map([
    ['.github/workflows/ci.yml', fill(ci)],
    ['.github/workflows/release.yml', fill(release)],
  ])
}

/** A tag that says another version than the code would be deployed under a wrong name. */
function verifyVersion(command: string): string[] {
  return [
    '- name: The tag is the version that the code says',
    '  run: |',
    `    version=$(${command})`,
    `    [ "$GITHUB_REF_NAME" = "v$version" ] || { echo "the code says $version, the tag $GITHUB_REF_NAME"; exit 1; }`,
  ]
}

function steps(lines: readonly string[]): string {
  return lines.map((line) => `      ${line}`).join('\n')
}
