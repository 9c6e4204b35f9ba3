// What the programs of the house stage share.

export const must = (condition, message) => {
  if (!condition) throw new Error(message)
}

/** Runs functions by name; the last line is the sum. */
export const runAll = async (tests) => {
  let passed = 0
  let failed = 0
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test()
      passed++
      console.log(`ok      ${name}`)
    } catch (error) {
      failed++
      console.log(`FAILED  ${name}\n${error.stack}`)
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
