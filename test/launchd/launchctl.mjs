// launchctl for tests: hands its arguments to the double whose socket lies beside it, and leaves as that says.
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

const socket = connect(join(dirname(process.argv[1]), 'launchd.socket'))
socket.end(JSON.stringify([process.getuid(), ...process.argv.slice(2)]))
const { code, stdout, stderr } = JSON.parse(await text(socket))
process.stdout.write(stdout)
process.stderr.write(stderr)
process.exitCode = code
