// The settings of the gateway: the only list of them. They come from the environment. Each has one spelling, that of the
// services (docs/scalars.md): what a parser would have to guess is refused by name. `node settings.mjs` lists them.
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';

const MOST_COUNT = 2 ** 31 - 1;
const MOST_SECONDS = 86_400;
const ORIGIN = /^https?:\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$/;
const parts = (given) => given.split(',').map((each) => each.trim()).filter(Boolean);

const positive = { error: 'positive number', parse: Number };
const count = {
  ...positive,
  rule: 'whole number, 1 or more',
  fits: (given) => /^[1-9][0-9]*$/.test(given) && Number(given) <= MOST_COUNT,
};
const seconds = {
  ...positive,
  rule: `number above 0, to ${MOST_SECONDS}`,
  fits: (given) => /^(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(given) && Number(given) > 0 && Number(given) <= MOST_SECONDS,
};
const port = {
  rule: 'whole number from 0 to 65535',
  error: 'port',
  fits: (given) => /^(0|[1-9][0-9]{0,4})$/.test(given) && given < 65_536,
  parse: Number,
};
const text = { rule: 'text', error: 'text', fits: () => true, parse: String };
const url = {
  rule: 'a URL of http or https',
  error: 'URL of http or https',
  fits: (given) => /^https?:\/\/[^\s/]+/.test(given),
  parse: (given) => given.replace(/\/+$/, ''),
};
const origins = {
  rule: 'a list of origins, by commas: https://crm.example,http://localhost:3000',
  error: 'list of origins: scheme, host in lower case, and port, as in https://crm.example',
  fits: (given) => parts(given).every((each) => ORIGIN.test(each)),
  parse: parts,
};
const oneOf = (...words) => ({
  rule: words.join(', '),
  error: `word of ${words.join(', ')}`,
  fits: (given) => words.includes(given),
  parse: String,
});

/** By name: its kind, its default, and what it is. A default that depends on the machine is followed by its words. */
const SETTINGS = {
  KITH_PORT_GATEWAY: [port, 8000, 'port to listen on'],
  KITH_GATEWAY_HOST: [text, '127.0.0.1', 'address to listen on'],
  KITH_METRICS_PORT: [port, null, 'port of the metrics; none if unset'],
  KITH_GATEWAY_PROCESSES: [count, availableParallelism(), 'processes, of some 150 MB each', 'one per core'],
  KITH_GATEWAY_HEAP_MB: [count, 512, 'memory of one process; one that needs more ends and is replaced'],
  KITH_SUPERGRAPH: [text, null, 'file with the supergraph; the one beside the gateway if unset'],
  KITH_URL_CONTACTS: [url, null, 'base URL of the API of contacts; its port on this machine if unset'],
  KITH_URL_SALES: [url, null, 'the same of sales'],
  KITH_URL_SERVICE_DESK: [url, null, 'the same of service-desk'],
  KITH_URL_ANALYTICS: [url, null, 'the same of analytics'],
  KITH_PORT_CONTACTS: [port, 8001, 'port of contacts on this machine'],
  KITH_PORT_SALES: [port, 8002, 'port of sales on this machine'],
  KITH_PORT_SERVICE_DESK: [port, 8003, 'port of service-desk on this machine'],
  KITH_PORT_ANALYTICS: [port, 8004, 'port of analytics on this machine'],

  KITH_ISSUER_URL: [text, 'http://127.0.0.1:8005', 'issuer whose tokens are accepted'],
  KITH_JWKS_URL: [text, null, "where the issuer's keys are; found by its discovery document if unset"],
  KITH_AUDIENCE: [text, 'kith', 'audience (`aud`) that a token must have'],
  KITH_TENANT_CLAIM: [text, 'tenant', 'claim of a token that names the tenant'],
  KITH_CORS_ORIGINS: [origins, [], 'origins whose pages may call the API; none if unset'],
  KITH_LOG_JSON: [oneOf('true', 'false'), 'true', 'whether a log line is JSON'],
  KITH_LOG_LEVEL: [oneOf('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'), 'INFO', 'least level that is logged'],

  // Of a request
  KITH_GRAPHQL_BODY_BYTES: [count, 262_144, 'body of a request, and message of a WebSocket'],
  KITH_GRAPHQL_DOCUMENT_CHARACTERS: [count, 32_768, 'text of a query'],
  KITH_GRAPHQL_TOKENS: [count, 2000, 'tokens of a query'],
  KITH_GRAPHQL_DEFINITIONS: [count, 50, 'operations and fragments'],
  KITH_GRAPHQL_DEPTH: [count, 15, 'levels of fields'],
  KITH_GRAPHQL_FIELDS: [count, 500, 'fields and spreads'],
  KITH_GRAPHQL_REPEATS: [count, 40, 'times that one field is selected at one position'],
  KITH_GRAPHQL_ROOT_FIELDS: [count, 30, 'fields at the root'],
  KITH_GRAPHQL_ALIASES: [count, 60, 'aliases'],
  KITH_GRAPHQL_DIRECTIVES: [count, 50, 'directives'],
  KITH_GRAPHQL_VARIABLES_DEPTH: [count, 64, 'levels of lists and objects in the variables'],
  KITH_GRAPHQL_COST: [count, 20_000, 'the most that a query may cost: an object costs 1, a list as many as it may have'],
  // Of a connection
  KITH_GATEWAY_HEADER_BYTES: [count, 16_384, 'all headers of a request together'],
  KITH_GATEWAY_HEADERS: [count, 100, 'headers of a request'],
  KITH_GATEWAY_HEADER_SECONDS: [seconds, 10, 'until the headers of a request have arrived'],
  KITH_GATEWAY_REQUEST_SECONDS: [seconds, 15, 'until all of a request has arrived'],
  KITH_GATEWAY_IDLE_SECONDS: [seconds, 60, 'a connection without requests is kept'],
  KITH_GATEWAY_UPSTREAM_SECONDS: [seconds, 10, 'a service may take to answer'],
  KITH_LIVE_INIT_SECONDS: [seconds, 5, 'within which a WebSocket sends its token'],
  KITH_LIVE_SUBSCRIPTIONS_PER_CONNECTION: [count, 20, 'subscriptions of one WebSocket'],
  KITH_LIVE_MESSAGES_PER_SECOND: [count, 100, 'messages of one WebSocket in a second'],
  // Of a process
  KITH_GATEWAY_CONNECTIONS: [count, 2000, 'connections of one process'],
  KITH_LIVE_CONNECTIONS: [count, 1000, 'WebSockets of one process'],
  KITH_LIVE_CONNECTIONS_PER_TENANT: [count, 200, 'WebSockets of one tenant, of one process'],
};

/** Raises an Error that names every setting that is wrong, and its rule. An empty one is as if it were not there. */
export function settingsOf(environment) {
  const wrong = [];
  const read = ([name, [{ fits, parse, error }, usual]]) => {
    const given = environment[name];
    if (!given) return [name, usual];
    if (!fits(given)) wrong.push(`${name}=${given}: that is no ${error}.`);
    return [name, parse(given)];
  };
  const settings = Object.fromEntries(Object.entries(SETTINGS).map(read));
  if (wrong.length) throw new Error(wrong.join('\n'));
  return settings;
}

const isMain = import.meta.url === pathToFileURL(process.argv[1] ?? '').href;
if (isMain) {
  const list = Object.entries(SETTINGS).map(([name, [{ rule }, usual, description, shown]]) => ({
    name,
    rule,
    default: shown ?? (usual === null || usual.length === 0 ? '' : String(usual)),
    description,
  }));
  console.log(JSON.stringify(list));
}

export const settings = isMain ? undefined : settingsOf(process.env);
