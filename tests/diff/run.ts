// The differential test of libyata against npm yjs. See README.md.
//
//   npx tsx diff/run.ts [--histories N] [--jobs N] [--master SEED] [--driver PATH]
//   npx tsx diff/run.ts --seed N        replay one seed
//   npx tsx diff/run.ts --endless       until it fails or is stopped
//   npx tsx diff/run.ts --only MODE     only the histories of one mode; see modes.ts
//   npx tsx diff/run.ts --yjs-only      the harness itself: yjs against yjs

import { fork } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { defaultDriver, Driver } from './driver.ts'
import { type Figures, noFigures } from './history.ts'
import { describe, type ModeName, modeNames, tellAll } from './modes.ts'
import { mix } from './random.ts'

/** Histories told at the same time, so that the pipe carries large batches. */
const atOnce = 16
/** After so many failures the rest is not worth the time. */
const maxFailures = 10
const shrinkMs = 20_000

interface Work { driver: string | null, master: number, from: number, to: number, stride: number, only: ModeName | null }
type Message =
  | { kind: 'progress', passed: number, figures: Figures }
  | { kind: 'failure', text: string }
  | { kind: 'done', passed: number, failed: number, figures: Figures, driverExit: number | null }

const options = parseArgs({
  options: {
    histories: { type: 'string', default: '10000' },
    jobs: { type: 'string', default: '2' },
    master: { type: 'string' },
    seed: { type: 'string' },
    driver: { type: 'string', default: defaultDriver },
    endless: { type: 'boolean', default: false },
    only: { type: 'string' },
    'yjs-only': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false }
  }
}).values

const only = options.only === undefined ? null : options.only as ModeName
if (only !== null && !modeNames.includes(only)) {
  console.error(`--only ${only}: there is ${modeNames.join(', ')}`)
  process.exit(2)
}

function add (to: Figures, more: Figures): void {
  for (const key of Object.keys(to) as Array<keyof Figures>) {
    to[key] += more[key]
  }
}

/** A child process: its share of the histories. */
async function work (task: Work): Promise<void> {
  const say = (message: Message): void => { process.send?.(message) }
  const driver = task.driver === null ? null : new Driver(task.driver)
  const figures = noFigures()
  let passed = 0
  let failed = 0
  for (let i = task.from; i < task.to && failed < maxFailures; i += task.stride * atOnce) {
    const seeds = []
    for (let k = i; k < task.to && seeds.length < atOnce; k += task.stride) {
      seeds.push(mix(task.master, k))
    }
    const results = await Promise.all(seeds.map(async seed => await tellAll(seed, driver, task.only)))
    for (const [k, result] of results.entries()) {
      add(figures, result.figures)
      if (result.failure === null) {
        passed++
      } else {
        failed++
        say({ kind: 'failure', text: await describe(seeds[k], result, driver, shrinkMs) })
      }
    }
    say({ kind: 'progress', passed, figures })
  }
  const driverExit = await driver?.close() ?? 0
  say({ kind: 'done', passed, failed, figures, driverExit })
  process.disconnect()
}

function share (task: Work, report: (message: Message) => void): Promise<Message & { kind: 'done' }> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [], {
      env: { ...process.env, YATA_DIFF_WORK: JSON.stringify(task) }
    })
    let done: Message & { kind: 'done' } | null = null
    child.on('message', (message: Message) => {
      report(message)
      if (message.kind === 'done') {
        done = message
      }
    })
    child.on('close', code => {
      if (done === null) {
        reject(new Error(`a worker ended with code ${code}`))
      } else {
        resolve(done)
      }
    })
  })
}

async function main (): Promise<number> {
  const driver = options['yjs-only'] ? null : options.driver
  const histories = options.endless ? Number.MAX_SAFE_INTEGER : Number(options.histories)
  const jobs = Number(options.jobs)
  const master = options.master === undefined ? randomInt(2 ** 32) : Number(options.master)
  console.log(`master seed ${master}: ${options.endless ? 'endless' : histories} histories, ${jobs} jobs`)
  const started = Date.now()
  const passed = new Array<number>(jobs).fill(0)
  let shown = started
  const shares = await Promise.all(passed.map(async (_, job) => {
    const task = { driver, master, from: job, to: histories, stride: jobs, only }
    return await share(task, message => {
      if (message.kind === 'failure') {
        console.log(message.text)
      } else {
        passed[job] = message.passed
      }
      if (Date.now() - shown > 4000) {
        shown = Date.now()
        const sum = passed.reduce((a, b) => a + b, 0)
        console.log(`${((shown - started) / 1000).toFixed(0)} s: ${sum} histories passed`)
      }
    })
  }))
  const figures = noFigures()
  let failed = 0
  let broken = false
  for (const part of shares) {
    add(figures, part.figures)
    failed += part.failed
    if (part.driverExit !== 0) {
      broken = true
      console.log(`yata_driver ended with code ${part.driverExit}`)
    }
  }
  console.log(`${((Date.now() - started) / 1000).toFixed(1)} s, ${JSON.stringify(figures)}`)
  console.log(`${shares.reduce((sum, s) => sum + s.passed, 0)} passed, ${failed} failed`)
  return failed > 0 || broken ? 1 : 0
}

async function replay (seed: number): Promise<number> {
  const driver = options['yjs-only'] ? null : new Driver(options.driver)
  const result = await tellAll(seed, driver, only)
  if (result.failure !== null) {
    console.log(await describe(seed, result, driver, shrinkMs))
  }
  const exit = await driver?.close() ?? 0
  console.log(result.failure === null ? '1 passed, 0 failed' : '0 passed, 1 failed')
  return result.failure === null && exit === 0 ? 0 : 1
}

if (process.env.YATA_DIFF_WORK !== undefined) {
  await work(JSON.parse(process.env.YATA_DIFF_WORK) as Work)
} else {
  process.exitCode = options.seed === undefined ? await main() : await replay(Number(options.seed))
}
