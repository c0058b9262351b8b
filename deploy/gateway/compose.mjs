// node compose.mjs [--services FOLDER] [--out FILE]
// Composes services/*/schema.graphql into the supergraph. What does not compose is listed, and nothing is written.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compositionHasErrors, composeServices } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { settingsOf } from './settings.mjs';
import { subgraphsIn } from './subgraphs.mjs';

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    services: { type: 'string', default: resolve(here, '../../services') },
    out: { type: 'string', default: resolve(here, 'supergraph.graphql') },
  },
});

function read({ name, url }) {
  const path = resolve(options.services, name, 'schema.graphql');
  try {
    return { name, url, typeDefs: parse(readFileSync(path, 'utf8')) };
  } catch (error) {
    throw new Error(`${path}: ${error.message}`);
  }
}

function fail(messages) {
  console.error(`The subgraphs do not compose (${messages.length}):`);
  for (const message of messages) console.error(`  - ${message}`);
  process.exit(1);
}

const schemas = [];
const unreadable = [];
for (const subgraph of subgraphsIn(settingsOf({}))) {
  try {
    schemas.push(read(subgraph));
  } catch (error) {
    unreadable.push(error.message);
  }
}
if (unreadable.length > 0) fail(unreadable);

const result = composeServices(schemas);
if (compositionHasErrors(result)) {
  fail(result.errors.map((error) => `[${error.extensions?.code ?? 'INVALID'}] ${error.message}`));
}
writeFileSync(options.out, `${result.supergraphSdl.trim()}\n`);
