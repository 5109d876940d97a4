// Runs the statements of a file, with FILE and OUT replaced by the names given, and prints the rows of the last one as JSON.
//
//	node run.mjs PACKAGES STATEMENTS FILE OUT
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const [packages, statements, file, out] = process.argv.slice(2)
const { DuckDBInstance } = createRequire(packages + '/package.json')('@duckdb/node-api')
const instance = await DuckDBInstance.create(':memory:')
const connection = await instance.connect()
const text = readFileSync(statements, 'utf8').replaceAll('$FILE', `'${file}'`).replaceAll('$OUT', `'${out}'`)
let rows = []
for (const statement of text.split(/;\s*\n/)) {
  if (statement.trim() === '') continue
  rows = (await connection.runAndReadAll(statement)).getRowObjectsJson()
}
console.log(JSON.stringify(rows))
