// One process of the gateway. It serves the supergraph; several share the port (gateway.mjs).
import { readFileSync } from 'node:fs';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import { boundedServer } from './connections.mjs';
import { Documents } from './documents.mjs';
import { door } from './door.mjs';
import { limits } from './limits.mjs';
import { described, keepLibrariesQuiet, log } from './log.mjs';
import { faults } from './metrics.mjs';
import { admission, maskError } from './operations.mjs';
import { heardOf, waitedFor } from './positions.mjs';
import { settings } from './settings.mjs';
import { serveSockets } from './sockets.mjs';
import { tokens as tokensOf } from './tokens.mjs';
import { hearProblems, transportEntries, transports } from './transports.mjs';

const STOP_MILLISECONDS = 3000;

keepLibrariesQuiet();
const { KITH_GATEWAY_HOST: host, KITH_PORT_GATEWAY: port } = settings;
const path = '/graphql';
const supergraph = settings.KITH_SUPERGRAPH ?? new URL('./supergraph.graphql', import.meta.url);
const origins = new Set(settings.KITH_CORS_ORIGINS);
const tokens = tokensOf(settings);

let documents;
const gateway = createGatewayRuntime({
  supergraph: readFileSync(supergraph, 'utf8'),
  graphqlEndpoint: path,
  // These the door serves, or log.mjs does.
  landingPage: false,
  graphiql: false,
  cors: false,
  logging: false,
  requestId: false,
  subgraphErrors: false,
  batching: false,
  maskedErrors: { maskError },
  plugins: () => [admission(() => documents), hearProblems],
  // What one may see is decided in the subgraph; which trace it belongs to is recorded there too.
  propagateHeaders: {
    fromClientToSubgraphs: ({ request, context }) => ({
      authorization: request.headers.get('authorization'),
      traceparent: request.headers.get('traceparent'),
      'kith-wait-for': waitedFor(request, context),
    }),
    fromSubgraphsToClient: ({ response, context }) => heardOf(response, context),
  },
  transports,
  transportEntries: transportEntries(settings),
});

// Else it would be loaded by the first request, and a WebSocket that came before would find none.
documents = new Documents(await gateway.getSchema(), limits);

let stopping = false;
const server = boundedServer(door({ path, origins, tokens, graphql: gateway, isStopping: () => stopping }));
server.on('error', (error) => {
  log.error('cannot listen', { ...described(error), port });
  process.exit(1);
});
const closeSockets = serveSockets({ gateway, server, path, tokens, origins });
server.listen(port, host);

function stop(code) {
  if (stopping) return;
  stopping = true;
  closeSockets().catch(() => {});
  server.close(async () => {
    await gateway[Symbol.asyncDispose]();
    process.exit(code);
  });
  server.closeIdleConnections();
  // Subscriptions and kept-alive connections never end by themselves.
  setTimeout(() => server.closeAllConnections(), STOP_MILLISECONDS).unref();
  setTimeout(() => process.exit(code), 2 * STOP_MILLISECONDS).unref();
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stop(0));
process.on('unhandledRejection', (error) => {
  faults.inc({ kind: 'rejection' });
  log.error('unhandled rejection', described(error));
});
// What was half done nobody knows: another process takes over.
process.on('uncaughtException', (error) => {
  faults.inc({ kind: 'exception' });
  log.error('uncaught exception', described(error));
  stop(1);
});
