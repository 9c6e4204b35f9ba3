// libyata as others meet it: installed, built alone, linked by pkg-config, read about. Usage:
// node tools/house-yata.mjs BUILD-DIRECTORY
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, runAll } from './house-run.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const Y = createRequire(join(root, 'tests', 'package.json'))('yjs')
const build = process.argv[2]
const place = join(root, 'build', 'house-yata')
const installed = join(place, 'installed')

/** Runs a program that must end well; its output. */
const run = (command, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options })
  must(status === 0, `${command} ${args.join(' ')}: ${error ?? status}\n${stdout}${stderr}`)
  return stdout + stderr
}

const env = {
  ...process.env,
  PKG_CONFIG_PATH: join(installed, 'lib', 'pkgconfig'),
  LD_LIBRARY_PATH: join(installed, 'lib'),
}
const flags = (...what) => run('pkg-config', [...what, 'yata'], { env }).trim().split(/\s+/)

/** Compiles as a stranger would, against what is installed; with `still`, against the static library. */
const compile = (source, program, still = false) => {
  const libs = flags('--libs').map((flag) => still && flag === '-lyata' ? '-l:libyata.a' : flag)
  run('cc', ['-std=c11', '-O1', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-D_POSIX_C_SOURCE=200809L',
    ...flags('--cflags'), source, '-o', program, ...libs], { env })
  return program
}

const headers = readdirSync(join(root, 'include')).filter((name) => /^yata.*\.h$/.test(name))
/** The functions that the headers declare. */
const declared = () => {
  const text = headers.map((name) => readFileSync(join(root, 'include', name), 'utf8')).join('\n')
    .replace(/\/\*[\s\S]*?\*\//g, '')
  return [...new Set(text.match(/\byata_\w+(?=\()/g))].sort()
}

/** Names of symbols that nm tells of. */
const symbols = (...args) => [...new Set(run('nm', args).match(/(?<= [A-Z] )\w+$/gm))].sort()

const listing = (folder) => readdirSync(folder, { recursive: true }).sort()

/** Three updates of two clients. */
const updates = () => {
  const [a, b] = [new Y.Doc(), new Y.Doc()]
  const all = []
  a.on('update', (u) => { all.push(u); Y.applyUpdate(b, u) })
  b.on('update', (u, origin, doc, { local }) => { if (local) { all.push(u); Y.applyUpdate(a, u) } })
  a.getText('t').insert(0, 'hello')
  b.getText('t').insert(5, ' you')
  a.getText('t').delete(0, 1)
  return all
}

const tests = {
  'what is installed: libraries, headers, yata.pc, commands, manual pages, completion' () {
    rmSync(place, { recursive: true, force: true })
    mkdirSync(place, { recursive: true })
    run('cmake', ['--install', build, '--prefix', installed])
    for (const name of ['lib/libyata.a', 'lib/libyata.so', 'lib/pkgconfig/yata.pc', 'bin/yata', 'bin/collabd',
      ...headers.map((header) => `include/${header}`), 'share/man/man1/yata.1', 'share/man/man3/yata.3',
      'share/man/man8/collabd.8', ...['yata', 'collabd'].flatMap((name) =>
        [`share/bash-completion/completions/${name}`, `share/zsh/site-functions/_${name}`])]) {
      must(existsSync(join(installed, name)), `${name} is not installed`)
    }
  },

  'the shared library shows what the headers declare, and has a name with a version' () {
    const library = join(installed, 'lib', 'libyata.so')
    const [shown, promised] = [symbols('-D', '--defined-only', library), declared()]
    must(promised.length > 30 && shown.join() === promised.join(),
      `shown, not declared: ${shown.filter((s) => !promised.includes(s))}; declared, not shown: ${promised.filter((s) => !shown.includes(s))}`)
    const version = flags('--modversion')[0]
    const [, major, minor] = /^(\d+)\.(\d+)\.\d+$/.exec(version)
    const dynamic = run('readelf', ['-d', library])
    must(dynamic.includes(`[libyata.so.${major}.${minor}]`), `no such SONAME in ${dynamic}`)
    must([...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].every(([, name]) => name.startsWith('libc.')), 'needs more than libc')
    must(existsSync(join(installed, 'lib', `libyata.so.${version}`)), `no libyata.so.${version}`)
    must(readFileSync(join(installed, 'include', 'yata.h'), 'utf8').includes(`"${version}"`), 'the header has another version')
  },

  'the static library takes no name but those that begin with yata' () {
    const names = symbols('-g', '--defined-only', join(installed, 'lib', 'libyata.a'))
    const others = names.filter((name) => !/^yatai?_/.test(name))
    must(names.length > 30 && others.length === 0, `takes ${others}`)
  },

  'the example merges update files to what yjs merges them to, by either library' () {
    const files = updates().map((update, i) => {
      writeFileSync(join(place, `${i}.bin`), update)
      return join(place, `${i}.bin`)
    })
    for (const still of [false, true]) {
      const merged = join(place, `merged-${still}.bin`)
      const program = compile(join(root, 'examples', 'merge.c'), join(place, `merge-${still}`), still)
      run(program, [merged, ...files], still ? {} : { env })
      must(Buffer.compare(readFileSync(merged), Y.mergeUpdates(files.map((file) => readFileSync(file)))) === 0, 'differs')
    }
  },

  'the example of two replicas shows that both edits arrive at both' () {
    const program = compile(join(root, 'examples', 'two_replicas.c'), join(place, 'two_replicas'))
    const lines = run(program, [], { env }).trimEnd().split('\n')
    const shown = lines.slice(-2).map((line) => line.replace(/^\w+ +/, ''))
    must(shown[0] === 'Dear Ms. Lovelace, this is a draft.' && shown[1] === shown[0], lines.join('\n'))
  },

  'the tour of docs/yata.md compiles, runs, and prints what it says' () {
    const page = readFileSync(join(root, 'docs', 'yata.md'), 'utf8')
    const blocks = (kind) => [...page.matchAll(new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]).join('')
    const [code, output] = [blocks('c'), blocks('output')]
    must(code.length > 500 && output.length > 50, 'there is no tour')
    const source = join(place, 'tour.c')
    writeFileSync(source, `#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <yata.h>\n\nint main(void) {\n${code}}\n`)
    const printed = run(compile(source, join(place, 'tour')), [], { env })
    must(printed === output, `it prints\n${printed}and says\n${output}`)
  },

  'manual pages have no mistake, and that of the library names every function' () {
    const page = (section, name) => join(installed, 'share', 'man', `man${section}`, `${name}.${section}`)
    for (const path of [page(1, 'yata'), page(3, 'yata'), page(8, 'collabd')]) {
      const complaints = run('groff', ['-k', '-man', '-ww', '-z', path])
      must(complaints === '', `${path}: ${complaints}`)
    }
    const text = readFileSync(page(3, 'yata'), 'utf8')
    for (const name of declared()) {
      must(text.includes(`${name}(`), `yata.3 lacks ${name}`)
    }
  },

  'the library builds alone, from its own folder and the headers, where nothing else is' () {
    const alone = join(place, 'alone')
    for (const folder of ['lib/yata', 'include']) {
      cpSync(join(root, folder), join(alone, folder), { recursive: true })
    }
    const bare = { env: { PATH: process.env.PATH, PKG_CONFIG_LIBDIR: '/nonexistent' } }
    run('cmake', ['-S', join(alone, 'lib', 'yata'), '-B', join(alone, 'build'), '-DCMAKE_BUILD_TYPE=Debug',
      '-DCMAKE_C_FLAGS=-Werror', `-DCMAKE_INSTALL_PREFIX=${join(alone, 'installed')}`], bare)
    run('cmake', ['--build', join(alone, 'build'), '-j', '2'], bare)
    run('cmake', ['--install', join(alone, 'build')], bare)
    const whole = listing(installed).filter((name) => !name.includes('collabd') && !/man8$/.test(name))
    must(listing(join(alone, 'installed')).join() === whole.join(), 'installs other files than the whole tree does')
  },
}

await runAll(tests)
