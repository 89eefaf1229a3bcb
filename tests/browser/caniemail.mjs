// Which features of a mail which clients do not know: `node caniemail.mjs LIBRARY MAIL.html`, one JSON object on stdout.
import fs from 'node:fs'
import { pathToFileURL } from 'node:url'

const { caniemail } = await import(pathToFileURL(process.argv[2]))
const html = fs.readFileSync(process.argv[3], 'utf8')
const { issues } = caniemail({ clients: ['apple-mail.*', 'gmail.*', 'outlook.*', 'yahoo.*'], html })
const told = {}
for (const [client, list] of issues.errors) for (const { title } of list) (told[title] ??= new Set()).add(client)
console.log(JSON.stringify(Object.fromEntries(Object.entries(told).map(([title, clients]) => [title, [...clients].sort()]))))
