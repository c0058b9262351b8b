// The supergraph on one machine. In production the Hive Router serves the same supergraph.graphql (docs/adr).
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createGatewayRuntime } from '@graphql-hive/gateway-runtime';
import http from '@graphql-mesh/transport-http';
import { serveSockets } from './sockets.mjs';
import { subgraphsIn } from './subgraphs.mjs';
import { upstream } from './upstream.mjs';

const host = process.env.KITH_GATEWAY_HOST ?? '127.0.0.1';
const port = Number(process.env.KITH_PORT_GATEWAY ?? 8000);
const path = '/graphql';
const supergraph = process.env.KITH_SUPERGRAPH ?? new URL('./supergraph.graphql', import.meta.url);

// A subgraph that refuses a whole request answers problem+json. Left as it is, the reader would get "Unexpected error."
const tellProblems = {
  onFetch: () => async ({ response, setResponse }) => {
    if (!response.headers.get('content-type')?.startsWith('application/problem+json')) return;
    const { type = '', title, detail = title } = await response.json();
    setResponse(Response.json({ errors: [{ message: detail, extensions: { code: type.split(':').at(-1) } }] }));
  },
};

const gateway = createGatewayRuntime({
  supergraph: readFileSync(supergraph, 'utf8'),
  graphqlEndpoint: path,
  healthCheckEndpoint: '/livez',
  readinessCheckEndpoint: '/readyz',
  landingPage: false,
  plugins: () => [tellProblems],
  // Who asks is checked in the subgraph; which trace it belongs to is told there too.
  propagateHeaders: {
    fromClientToSubgraphs: ({ request }) => ({
      authorization: request.headers.get('authorization'),
      traceparent: request.headers.get('traceparent'),
    }),
  },
  transports: { http, ws: upstream },
  transportEntries: Object.fromEntries(
    subgraphsIn(process.env).map(({ name, url }) => [
      name,
      // Over SSE the subgraph's events would arrive as a silent empty stream: WebSocket it is.
      { location: url, options: { subscriptions: { kind: 'ws', location: new URL(url).pathname } } },
    ]),
  ),
});

// Else it would be loaded by the first request, and a WebSocket that came before would find none.
await gateway.getSchema();

const server = createServer(gateway);
const closeSockets = serveSockets(gateway, server, path);
server.listen(port, host, () => console.log(`gateway listens on http://${host}:${port}${path}`));
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, () => {
    closeSockets();
    server.close(async () => {
      await gateway[Symbol.asyncDispose]();
      process.exit(0);
    });
    server.closeIdleConnections();
    // Subscriptions and kept-alive connections never end by themselves.
    setTimeout(() => server.closeAllConnections(), 3000).unref();
  });
}
