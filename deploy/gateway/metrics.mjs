// Prometheus, for all processes of the gateway together: the primary asks the others for theirs.
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { boundedServer, wrongIn } from './connections.mjs';

export const requests = new Counter({
  name: 'kith_gateway_requests_total',
  help: 'Requests answered; status 499: the client had gone',
  labelNames: ['status'],
});
export const seconds = new Histogram({
  name: 'kith_gateway_request_seconds',
  help: 'Time to answer a request; of a subscription, until it began',
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
});
export const refused = new Counter({
  name: 'kith_gateway_refused_total',
  help: 'Operations refused before planning, by code and what was too large',
  labelNames: ['code', 'measure'],
});
export const cost = new Histogram({
  name: 'kith_gateway_query_cost',
  help: 'The most that an accepted operation may cost',
  buckets: [1, 10, 100, 1000, 5000, 10_000, 20_000, 50_000, 100_000],
});
export const subgraphErrors = new Counter({
  name: 'kith_gateway_subgraph_errors_total',
  help: 'Requests that a subgraph did not answer',
  labelNames: ['subgraph'],
});
export const sockets = new Gauge({ name: 'kith_gateway_connections', help: 'WebSockets of clients that are open' });
export const socketsRefused = new Counter({
  name: 'kith_gateway_connections_refused_total',
  help: 'WebSockets refused or closed for how many there are: of `all`, of one `tenant`, of clients without a token (`stranger`)',
  labelNames: ['reason'],
});
export const faults = new Counter({
  name: 'kith_gateway_faults_total',
  help: 'Faults of the gateway: of a `request`, an `operation`, a `rejection` or an `exception`',
  labelNames: ['kind'],
});
// From the start: else the first one would not be an increase.
for (const kind of ['request', 'operation', 'rejection', 'exception']) faults.inc({ kind }, 0);
for (const reason of ['all', 'tenant', 'stranger']) socketsRefused.inc({ reason }, 0);

// In the others: it has them answer the primary.
const all = new AggregatorRegistry();

const ofPrimary = new Registry();

/** In the primary. */
export const deaths = new Counter({
  name: 'kith_gateway_deaths_total',
  help: 'Processes of the gateway that ended by themselves and were replaced',
  registers: [ofPrimary],
});

/** In the primary: its own figures, and the sum of the others'. */
export function serveMetrics(host, port, isReady) {
  const server = boundedServer(async (request, response) => {
    if (wrongIn(request) !== undefined) return response.writeHead(400, { connection: 'close' }).end();
    const [path] = request.url.split('?');
    if (!['/livez', '/readyz', '/metrics'].includes(path)) return response.writeHead(404).end();
    if (!['GET', 'HEAD'].includes(request.method)) return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    if (path === '/livez') return response.end('ok');
    if (path === '/readyz') return response.writeHead(isReady() ? 200 : 503).end();
    try {
      const figures = [await ofPrimary.metrics(), await all.clusterMetrics()];
      response.writeHead(200, { 'content-type': all.contentType }).end(figures.join('\n'));
    } catch {
      response.writeHead(503).end();
    }
  });
  server.listen(port, host);
  return server;
}
