import { Command } from 'commander'
import { openService } from '../../config/service.ts'
import { renderMetrics } from '../../view/metrics.ts'
import type { DefineCommand } from '../main.ts'

export const metricsCommand: DefineCommand = (world) =>
  new Command('metrics')
    .description('what this computer knows of itself, for Prometheus')
    .addHelpText(
      'after',
      `
With metrics: /var/lib/node_exporter/telec.prom in the configuration it is written there at every poll and status, for the
textfile collector of node_exporter.

Example:
  telec metrics | promtool check metrics`,
    )
    .action(async () => {
      world.out(renderMetrics(await openService(world)))
    })
