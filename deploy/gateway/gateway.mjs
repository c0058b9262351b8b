// The supergraph on one machine, in as many processes as it has cores. In production the Hive Router serves the same
// supergraph.graphql (docs/adr). This process serves nothing itself: it starts the others, and again when one ends.
import cluster from 'node:cluster';
import { limits } from './limits.mjs';
import { log } from './log.mjs';
import { deaths, serveMetrics } from './metrics.mjs';
import { settings } from './settings.mjs';

const LONGEST_PAUSE = 30_000;
const SOUND_AFTER = 60_000;

const { KITH_GATEWAY_PROCESSES: processes, KITH_GATEWAY_HOST: host, KITH_METRICS_PORT: metricsPort } = settings;

let stopping = false;
let served = false;
let quickDeaths = 0;

// A worker that is free takes the next connection. In turns, one would go to a worker that is busy, or has just died.
cluster.schedulingPolicy = cluster.SCHED_NONE;
cluster.setupPrimary({
  exec: new URL('./worker.mjs', import.meta.url).pathname,
  execArgv: [`--max-old-space-size=${limits.heapMb}`],
});
for (let each = 0; each < processes; each += 1) start();

function start() {
  const born = performance.now();
  const worker = cluster.fork();
  worker.once('listening', ({ address, port }) => {
    if (!served) log.info('gateway listens', { url: `http://${address}:${port}/graphql`, processes });
    served = true;
    log.info('a process of the gateway is ready', { pid: worker.process.pid });
  });
  worker.once('exit', (code, signal) => {
    if (stopping) return;
    deaths.inc();
    log.error('a process of the gateway ended', { code, signal, pid: worker.process.pid });
    // None has served yet: whatever it is, another will not fare better.
    if (!served) process.exit(1);
    quickDeaths = performance.now() - born > SOUND_AFTER ? 0 : quickDeaths + 1;
    setTimeout(() => stopping || start(), Math.min(LONGEST_PAUSE, 100 * 2 ** quickDeaths));
  });
}

const metrics = metricsPort && serveMetrics(host, metricsPort, () => served && !stopping);

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    metrics?.close();
    const workers = Object.values(cluster.workers);
    for (const worker of workers) worker.process.kill('SIGTERM');
    Promise.all(workers.map((worker) => new Promise((done) => worker.once('exit', done)))).then(() => process.exit(0));
  });
}
