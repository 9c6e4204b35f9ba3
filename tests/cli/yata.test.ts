// The command `yata`: what it writes is what npm yjs makes of the same updates, and what is wrong it
// names, with the byte and what helps.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import * as Y from 'yjs'
import { edit } from '../diff/edits.ts'
import { plainDoc } from '../diff/history.ts'
import { Random } from '../diff/random.ts'

const yata = resolve(process.env['YATA'] ?? '../build/release/yata')
const place = mkdtempSync(join(tmpdir(), 'yata-'))
after(() => { rmSync(place, { recursive: true }) })

interface Result { code: number | null, out: Buffer, text: string, err: string }

/** Runs the command among the files of this test. */
function run (args: string[], input: Uint8Array = new Uint8Array()): Result {
  const { status, stdout, stderr } = spawnSync(yata, args, { cwd: place, input, env: { ...process.env, LC_ALL: 'C' } })
  return { code: status, out: stdout, text: stdout.toString(), err: stderr.toString() }
}

/** Runs what must go well and say nothing. */
function good (args: string[], input?: Uint8Array): Result {
  const result = run(args, input)
  assert.deepEqual([result.code, result.err], [0, ''], `yata ${args.join(' ')}`)
  return result
}

/** Runs what must fail with a message, and without a result. */
function bad (code: number, args: string[], ...says: RegExp[]): void {
  const { code: actual, text, err } = run(args)
  assert.equal(actual, code, `yata ${args.join(' ')}: ${err}`)
  assert.equal(text, '')
  for (const line of err.trimEnd().split('\n')) {
    assert.match(line, /^yata: +\S/, 'each line says who speaks')
  }
  for (const pattern of says) {
    assert.match(err, pattern)
  }
}

function file (name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(place, name), bytes)
  return name
}

const bytes = (name: string): Buffer => readFileSync(join(place, name))
const same = (actual: Uint8Array, expected: Uint8Array): void => {
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'))
}

/** What two users have done to a document, as they sent it. */
function history (): { doc: Y.Doc, updates: Uint8Array[] } {
  const [doc, other] = [plainDoc({ clientID: 5 }), plainDoc({ clientID: 7 })]
  const updates: Uint8Array[] = []
  doc.on('update', u => { updates.push(u); Y.applyUpdate(other, u, 'remote') })
  other.on('update', (u, origin) => { if (origin !== 'remote') Y.applyUpdate(doc, u) })
  doc.getText('t').insert(0, 'hello')
  other.getText('t').insert(5, ' world')
  doc.getMap('m').set('k', 1)
  doc.getText('t').delete(0, 1)
  return { doc, updates }
}

const { doc, updates } = history()
const names = updates.map((u, i) => file(`${i}.bin`, u))
const state = file('state.bin', Y.encodeStateAsUpdate(doc))
const state2 = file('state.v2', Y.encodeStateAsUpdateV2(doc))

test('merge makes one update of several, byte for byte as yjs does', () => {
  same(good(['merge', ...names]).out, Y.mergeUpdates(updates))
  const gap = [names[0], names[3]]
  same(good(['merge', ...gap]).out, Y.mergeUpdates([updates[0], updates[3]]))
})

test('merge takes both formats at once and writes that of the first, or of --to', () => {
  const rest = Y.convertUpdateFormatV1ToV2(updates[1])
  file('1.v2', rest)
  same(good(['merge', names[0], '1.v2']).out, Y.mergeUpdates([updates[0], updates[1]]))
  same(good(['merge', '--to', 'v2', names[0], '1.v2']).out, Y.mergeUpdatesV2([Y.convertUpdateFormatV1ToV2(updates[0]), rest]))
})

test('an output may be one of the inputs, and nothing is left beside it', () => {
  file('log.bin', updates[0])
  good(['merge', 'log.bin', names[1], '-o', 'log.bin'])
  same(bytes('log.bin'), Y.mergeUpdates(updates.slice(0, 2)))
  bad(1, ['merge', 'log.bin', 'missing.bin', '-o', 'log.bin'], /missing\.bin: cannot be opened: No such file/)
  same(bytes('log.bin'), Y.mergeUpdates(updates.slice(0, 2)))
  assert.deepEqual(readdirSync(place).filter(name => name.endsWith('.part')), [])
})

test('diff writes what somebody lacks, told by their update or by their state vector', () => {
  const theirs = Y.mergeUpdates(updates.slice(0, 2))
  file('theirs.bin', theirs)
  file('theirs.sv', Y.encodeStateVectorFromUpdate(theirs))
  const expected = Y.diffUpdate(bytes(state), Y.encodeStateVectorFromUpdate(theirs))
  same(good(['diff', state, '--since', 'theirs.bin']).out, expected)
  same(good(['diff', state, '--since-vector', 'theirs.sv']).out, expected)
  same(good(['diff', state2, '--since', 'theirs.bin', '--to', 'v1']).out, expected)
  same(good(['diff', state2, '-s', 'theirs.bin']).out,
    Y.diffUpdateV2(bytes(state2), Y.encodeStateVectorFromUpdate(theirs)))
})

test('convert writes the other format, or the one that --to says', () => {
  same(good(['convert', state]).out, Y.convertUpdateFormatV1ToV2(bytes(state)))
  same(good(['convert', state2]).out, Y.convertUpdateFormatV2ToV1(bytes(state2)))
  same(good(['convert', '--to', 'v1', state]).out, bytes(state))
  same(good(['convert', '--to=v2', state2]).out, bytes(state2))
})

test('state-vector writes the bytes of yjs, or lines for people', () => {
  const gap = file('gap.bin', Y.mergeUpdates([updates[0], updates[3]]))
  for (const name of [state, gap]) {
    same(good(['state-vector', name]).out, Y.encodeStateVectorFromUpdate(bytes(name)))
  }
  assert.equal(good(['state-vector', '--list', state]).text, '7 6\n5 6\n')
})

test('- is standard input, once', () => {
  same(good(['merge', names[0], '-'], updates[1]).out, Y.mergeUpdates(updates.slice(0, 2)))
  good(['merge', names[0], '-', '-o', 'piped.bin'], updates[1])
  same(bytes('piped.bin'), Y.mergeUpdates(updates.slice(0, 2)))
  assert.match(good(['verify', '-'], updates[0]).text, /^standard input: good/)
  bad(2, ['merge', '-', '-'], /- is named 2 times/)
})

test('the format of what yjs writes is found out: 60 histories in both formats', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new Random(seed)
    const doc = plainDoc({ clientID: random.int(1, 2 ** 32) })
    for (let i = random.int(0, 12); i >= 0; i--) {
      edit(random, doc)
    }
    file(`${seed}.v1`, Y.encodeStateAsUpdate(doc))
    file(`${seed}.v2`, Y.encodeStateAsUpdateV2(doc))
  }
  const files = Array.from({ length: 60 }, (_, seed) => [`${seed}.v1`, `${seed}.v2`]).flat()
  const lines = good(['verify', ...files]).text.trimEnd().split('\n')
  assert.deepEqual(lines, files.map(name => `${name}: good, format ${name.endsWith('1') ? 'V1' : 'V2'}, complete`))
})

test('what can be both formats is not guessed at', () => {
  // V1: six deleted ranges of client 5; V2: two columns that nobody reads, and no struct
  const both = file('both.bin', Uint8Array.of(0, 1, 5, 6, 0x80, 0x80, 0x80, 0x80, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0))
  bad(1, ['verify', both], /both\.bin: can be read as format V1 and as V2: say which by --v1 or --v2/)
  assert.match(good(['verify', '--v1', both]).text, /V1/)
  assert.match(good(['verify', '--v2', both]).text, /V2/)
})

test('inspect tells people what an update holds', () => {
  const gap = file('gap.bin', Y.mergeUpdates([updates[0], updates[3]]))
  assert.equal(good(['inspect', gap]).text, `gap.bin: update of format V1, ${bytes(gap).length} bytes
  1 struct of 1 client: 1 text
  client 5: clocks [0, 5) in 1 struct
  deletes of client 5: clocks [0, 1)
`)
  assert.equal(good(['inspect', '--structs', state2]).text, `state.v2: update of format V2, ${bytes(state2).length} bytes
  4 structs of 2 clients: 1 deleted, 2 text, 1 value
  client 7: clocks [0, 6) in 1 struct
    [0, 6) text
  client 5: clocks [0, 6) in 3 structs
    [0, 1) deleted
    [1, 5) text
    [5, 6) value
  deletes of client 5: clocks [0, 1)
`)
})

test('inspect --json holds each struct that yjs decodes', () => {
  const kinds: Record<string, string> = { ContentString: 'text', ContentAny: 'value', ContentDeleted: 'deleted' }
  const decoded = Y.decodeUpdate(bytes(state))
  const [one, two] = good(['inspect', '--json', state, state2]).text.trimEnd().split('\n').map(line => JSON.parse(line))
  assert.deepEqual(one.structs, decoded.structs.map(s => ({
    client: s.id.client, from: s.id.clock, to: s.id.clock + s.length, kind: kinds[(s as Y.Item).content.constructor.name],
  })))
  assert.deepEqual(one.deletions, [{ client: 5, from: 0, to: 1 }])
  assert.deepEqual([one.file, one.format, two.file, two.format], [state, 'V1', state2, 'V2'])
  assert.deepEqual(two.structs, one.structs)
})

test('json shows what yjs shows, of all root types or of one', () => {
  const doc = plainDoc({ clientID: 9 })
  doc.getText('note').insert(0, 'a\u{1f600}"b"', { bold: true })
  doc.getArray('list').insert(0, [1, -0.5, null, { k: [true] }, new Y.Map([['in', new Y.Array()]])])
  doc.getMap('map').set('é', 'x\n')
  const p = new Y.XmlElement('p')
  doc.getXmlFragment('page').insert(0, [p, new Y.XmlText('words')])
  p.setAttribute('class', 'c')
  file('all.bin', Y.encodeStateAsUpdate(doc))
  assert.deepEqual(JSON.parse(good(['json', 'all.bin']).text), doc.toJSON())
  for (const [root, value] of Object.entries(doc.toJSON())) {
    assert.equal(good(['json', '--root', root, 'all.bin']).text, JSON.stringify(value) + '\n')
  }
  assert.equal(good(['json', '--root', 'list:map', 'all.bin']).text, '{}\n', 'a kind that is given is believed')
  bad(1, ['json', '--root', 'lists', 'all.bin'], /no such root type/, /note \(text\)/, /list \(array\)/, /map \(map\)/, /page \(xml\)/)
})

test('text shows the only text, or the one that --root names; XML is markup', () => {
  const doc = plainDoc({ clientID: 9 })
  doc.getText('note').insert(0, 'a\u{1f600}b', { bold: true })
  doc.getMap('map').set('k', 1)
  file('one.bin', Y.encodeStateAsUpdate(doc))
  assert.equal(good(['text', 'one.bin']).text, 'a\u{1f600}b')
  doc.getXmlFragment('page').insert(0, [new Y.XmlElement('p')])
  file('two.bin', Y.encodeStateAsUpdateV2(doc))
  bad(1, ['text', 'two.bin'], /several are texts; give --root NAME/)
  assert.equal(good(['text', '--root', 'note', 'two.bin']).text, 'a\u{1f600}b')
  assert.equal(good(['text', '--root', 'page:xml', 'two.bin']).text, '<p></p>')
  bad(1, ['text', '--root', 'map', 'two.bin'], /map is a map: yata json shows it/)
})

test('the files of json and text are one document, in any order, and what is missing is said', () => {
  const whole = good(['json', ...names]).text
  assert.deepEqual(JSON.parse(whole), doc.toJSON())
  assert.equal(good(['json', names[3], names[1], names[0], names[2]]).text, whole)
  assert.equal(good(['text', ...names, '-o', 'out.txt']).text, '')
  assert.equal(bytes('out.txt').toString(), 'ello world')
  const late = run(['json', names[1]])
  assert.equal(late.code, 0)
  assert.match(late.err, /yata: \d+ bytes wait for updates that are in none of the files, and are not shown/)
})

test('revert writes the update that brings an older state back, where nothing else changes', () => {
  const user = plainDoc({ clientID: 9 })
  user.getText('note').insert(0, 'one two three', { bold: true })
  user.getMap('map').set('k', new Y.Array())
  const [then, shown] = [Y.encodeStateAsUpdateV2(user), user.toJSON()]
  file('then.bin', then)
  user.getText('note').delete(3, 4)
  user.getMap('map').delete('k')
  const now = file('now.bin', Y.encodeStateAsUpdate(user))
  const plain = good(['revert', now, '--past', 'then.bin', '--client', '77']).out
  same(good(['revert', '-', '--past', 'then.bin', '--client', '77'], bytes(now)).out, plain)
  good(['revert', now, '--past', 'then.bin', '--to', 'v2', '-o', 'back.bin'])
  for (const name of ['back.bin', file('plain.bin', plain)]) {
    const doc = plainDoc()
    Y.applyUpdate(doc, bytes(now))
    ;(name === 'back.bin' ? Y.applyUpdateV2 : Y.applyUpdate)(doc, bytes(name))
    assert.deepEqual(doc.getText('note').toDelta(), [{ insert: 'one two three', attributes: { bold: true } }])
    assert.deepEqual(doc.getMap('map').toJSON(), shown.map)
  }
  same(good(['revert', now, '--past', now]).out, Y.encodeStateAsUpdate(plainDoc()))
  bad(2, ['revert', now], /yata revert needs --past/)
  bad(2, ['revert', '-', '--past', '-'], /standard input can be read once/)
  bad(1, ['revert', now, '--past', 'missing.bin'], /missing\.bin/)
  bad(1, ['revert', now, '--past', 'then.bin', '--client', '9007199254740992'], /numbers from 1 to 9007199254740991/)
  bad(1, ['revert', now, '--past', 'then.bin', '--client', '7x'], /numbers from 1/)
  // what depends on others alone is no state to go back to
  const late = file('late.bin', new Uint8Array([1, 1, 3, 0, 0x84, 200, 1, 5, 1, 97, 0]))
  bad(1, ['revert', now, '--past', late], /late\.bin: not a whole state/)
})

test('verify tells apart what is complete, what waits for others, and what is damaged', () => {
  const late = names[2]
  const damaged = file('damaged.bin', bytes(state).subarray(0, 20))
  assert.equal(good(['verify', state]).text, 'state.bin: good, format V1, complete\n')
  assert.match(good(['verify', late]).text, /^2\.bin: good, format V1, but \d+ bytes wait for other updates$/m)
  bad(1, ['verify', '--complete', late], /2\.bin: well-formed, but \d+ bytes of it wait for other updates; yata merge/)
  assert.equal(good(['verify', '--quiet', state, late]).text, '')
  const { code, text, err } = run(['verify', state, damaged, late])
  assert.equal(code, 1, 'one bad file is enough')
  assert.match(text, /state\.bin: good[\s\S]*2\.bin: good/, 'the others are looked at all the same')
  assert.match(err, /damaged\.bin: byte \d+: /)
})

test('what is no update is named with the byte, and what helps', () => {
  file('empty.bin', '')
  file('base64.txt', Buffer.from(bytes(state)).toString('base64') + '\n')
  file('cut.bin', bytes(state).subarray(0, -1))
  file('vector.bin', Y.encodeStateVector(doc))
  file('noise.bin', Uint8Array.of(200, 200, 200, 1, 9, 9))
  bad(1, ['verify', 'empty.bin'], /empty\.bin: byte 0: /, /the file is empty/)
  bad(1, ['merge', 'base64.txt'], /this is text; .*base64 -d/)
  bad(1, ['inspect', 'cut.bin'], /cut\.bin: byte \d+: /, /cut off or damaged/)
  bad(1, ['convert', 'vector.bin'], /may be a state vector; yata diff --since-vector/)
  bad(1, ['verify', 'noise.bin'], /noise\.bin: byte \d+: .* \(read as V\d\)/, /cut off or damaged, or no Yjs update/)
  bad(1, ['verify', '--v2', state], /state\.bin: byte \d+: /, /it is an update of format V1: leave out --v2/)
  // As V1 these bytes are an update that says nothing, and much behind it: no merge may lose them so.
  bad(1, ['merge', '--v1', state2], /state\.v2: ends at byte 2 when it is read as V1/, /it is an update of format V2: leave out --v1/)
  bad(1, ['diff', state, '--since-vector', state2], /state\.v2: byte \d+: /, /for an update, use --since/)
})

test('files that cannot be read or written are named, with the reason', () => {
  bad(1, ['verify', 'nowhere.bin'], /nowhere\.bin: cannot be opened: No such file or directory/)
  bad(1, ['verify', '.'], /\.: cannot be read: Is a directory/)
  bad(1, ['merge', state, '-o', 'no/such/folder'], /no\/such\/folder.*: cannot be written: No such file or directory/)
  bad(1, ['merge', state, '-o', '/dev/full'], /\/dev\/full: cannot be written: No space left on device/)
  const full = spawnSync('sh', ['-c', `exec "${yata}" inspect ${state} > /dev/full`], { cwd: place, encoding: 'utf8' })
  assert.equal(full.status, 1)
  assert.match(full.stderr, /standard output: cannot be written/)
})

test('a wrong command line ends with 2 and says what would be right', () => {
  bad(2, ['melt', state], /there is no command melt; see yata --help/)
  bad(2, ['merge'], /yata merge needs a file \(- is standard input\)/)
  bad(2, ['convert', state, state2], /yata convert takes one file, not 2; yata merge/)
  bad(2, ['merge', '--shiny', state], /there is no option --shiny/)
  bad(2, ['merge', '-x', state], /there is no option -x/)
  bad(2, ['merge', state, '-o'], /-o needs a value/)
  bad(2, ['verify', '-o', 'x', state], /yata verify takes no --output/)
  bad(2, ['--complete'], /--complete needs a command/)
  bad(2, ['verify', '--v1', '--v2', state], /--v1 and --v2 exclude each other/)
  bad(2, ['convert', '--to', 'v3', state], /--to v3: there is v1 and v2/)
  bad(2, ['diff', state], /needs one of --since and --since-vector/)
  bad(2, ['--print-completion', 'fish'], /for bash and zsh/)
  const nothing = run([])
  assert.equal(nothing.code, 2)
  assert.match(nothing.err, /^Usage: yata COMMAND/m)
})

test('a terminal gets no bytes', () => {
  const { status, stdout } = spawnSync('script', ['-qec', `'${yata}' merge ${state}`, '/dev/null'],
    { cwd: place, encoding: 'utf8', input: '' })
  assert.equal(status, 2)
  assert.match(stdout, /bytes are nothing for a terminal: give --output FILE/)
})

test('help, manual page and completion know every command and option', () => {
  const help = good(['--help']).text
  const commands = [...help.matchAll(/^ {2}([a-z-]+) {2,}/gm)].map(match => match[1])
  assert.ok(commands.length >= 6)
  const man = good(['--print-man']).text.replaceAll('\\-', '-')
  const bash = good(['--print-completion', 'bash']).text
  const zsh = good(['--print-completion', 'zsh']).text
  for (const command of commands) {
    const own = good([command, '--help']).text
    for (const word of [command, ...own.match(/--[a-z0-9-]+/g) ?? []]) {
      for (const [what, page] of Object.entries({ man, bash, zsh })) {
        assert.ok(page.includes(word), `${what} lacks ${word} of ${command}`)
      }
    }
  }
  assert.ok(help.split('\n').every(line => line.length < 80), 'fits a terminal')
  assert.match(good(['--version']).text, /^yata \d+\.\d+\.\d+\n$/)
})

test('completion for bash offers commands, then options and files', () => {
  const completed = (...words: string[]): string => spawnSync('bash', ['-c',
    `${good(['--print-completion', 'bash']).text}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _yata; echo "\${COMPREPLY[@]}"`,
    'bash', ...words], { cwd: place, encoding: 'utf8' }).stdout.trim()
  assert.equal(completed('yata', 'con'), 'convert')
  assert.equal(completed('yata', 'verify', '--c'), '--complete')
  assert.equal(completed('yata', 'convert', '--to', ''), 'v1 v2')
  assert.equal(completed('yata', 'inspect', 'theirs.s'), 'theirs.sv')
})
