// What a newcomer meets first: the example of the README really connects two documents, and what goes
// wrong at the start is said in words. Usage: node tools/house.mjs PATH-OF-COLLABD
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, runAll } from './house-run.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const server = process.argv[2]
const place = join(root, 'build', 'house')
const deadline = 20_000

/** A program whose output is kept; `saw` waits until it has said something. */
class Program {
  constructor(command, args, options = {}) {
    this.text = ''
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    this.ended = new Promise((resolve) => this.child.on('close', resolve))
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (bytes) => { this.text += bytes; this.onText?.() })
    }
  }

  saw(pattern) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${pattern} within ${deadline} ms in:\n${this.text}`)), deadline)
      this.onText = () => {
        const match = pattern.exec(this.text)
        if (match !== null) {
          clearTimeout(timer)
          resolve(match)
        }
      }
      this.onText()
    })
  }
}

/** Runs collabd until it listens on a free port. */
const serve = async () => {
  const program = new Program(server, ['--dev', '--port', '0'])
  const port = (await program.saw(/listening on http:\/\/127\.0\.0\.1:(\d+)/))[1]
  return { program, port }
}

const end = async ({ program }) => {
  program.child.kill('SIGTERM')
  const code = await program.ended
  must(code === 0, `collabd ended with ${code}:\n${program.text}`)
}

const example = () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  const match = /^```js\n([\s\S]*?)^```$/m.exec(text)
  must(match !== null, 'README.md has no example')
  return match[1]
}

const tests = {
  async 'the example of the README joins two documents'() {
    const code = example()
    must(code.trim().split('\n').length <= 10, 'the example has more than ten lines')
    rmSync(place, { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    symlinkSync(join(root, 'tests', 'node_modules'), join(place, 'node_modules'))
    const running = await serve()
    writeFileSync(join(place, 'hello.mjs'), code.replaceAll('3005', running.port))
    const clients = []
    try {
      for (let i = 0; i < 2; i++) {
        clients.push(new Program('node', ['hello.mjs'], { cwd: place }))
        await clients[i].saw(/hello from \d+/)
      }
      const own = clients.map((client) => /hello from (\d+)/.exec(client.text)[1])
      // The first word a client prints may already come from the other one.
      for (const client of clients) {
        await client.saw(/hello from (\d+)[\s\S]*hello from (?!\1)\d+/)
      }
      must(own.every((id) => /^\d+$/.test(id)), 'no client ids')
    } finally {
      for (const client of clients) client.child.kill()
      await end(running)
    }
  },

  async 'a taken port is named, by the server and by ./dev run'() {
    const holder = createServer()
    await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve))
    const port = String(holder.address().port)
    try {
      for (const [command, ...args] of [[server, '--dev', '--port', port], [join(root, 'dev'), 'run', '--port', port]]) {
        const program = new Program(command, args, { cwd: root })
        const code = await program.ended
        must(code !== 0 && code !== null, `${command} ended with ${code}`)
        must(program.text.includes(port), `${command} does not name the port:\n${program.text}`)
        must(/taken|in use/.test(program.text), `${command} does not say what is wrong:\n${program.text}`)
      }
    } finally {
      holder.close()
    }
  },

  async 'without --dev it does not start, and says why'() {
    const { status, stderr } = spawnSync(server, [], { encoding: 'utf8', env: {} })
    must(status !== 0 && stderr.includes('--dev') && stderr.includes('tokens'), stderr)
  },

  async 'the log never shows the password of an address'() {
    const program = new Program(server, ['--dev', '--port', '0', '--log-format', 'json'], {
      env: { ...process.env, COLLAB_DATA: 'memory', REDIS_URL: 'redis://:hunter2@127.0.0.1:1' },
    })
    await program.saw(/BUS-LOST[^\n]*127\.0\.0\.1/)
    must(!program.text.includes('hunter2'), 'the secret is in the log')
    await end({ program })
  },

  async 'shell completion is right shell'() {
    const { stdout } = spawnSync(server, ['--print-completion', 'bash'], { encoding: 'utf8' })
    const { status, stdout: words, stderr } = spawnSync('bash', ['-c',
      `${stdout}\nCOMP_WORDS=(collabd --log-le); COMP_CWORD=1; _collabd; echo "\${COMPREPLY[@]}"
       COMP_WORDS=(collabd --log-level ''); COMP_CWORD=2; _collabd; echo "\${COMPREPLY[@]}"`], { encoding: 'utf8' })
    must(status === 0 && words === '--log-level\ndebug info warn error\n', `${words}${stderr}`)
  },
}

await runAll(tests)
