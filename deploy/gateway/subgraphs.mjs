// Which subgraphs there are, and where each listens: one list for composing and for serving.
import { port as portIn } from './settings.mjs';

const subgraphs = [
  { name: 'contacts', variable: 'KITH_PORT_CONTACTS', port: 8001 },
  { name: 'sales', variable: 'KITH_PORT_SALES', port: 8002 },
  { name: 'service-desk', variable: 'KITH_PORT_SERVICE_DESK', port: 8003 },
  { name: 'analytics', variable: 'KITH_PORT_ANALYTICS', port: 8004 },
];

/** With an empty environment the default ports, which is what the committed supergraph holds. */
export const subgraphsIn = (environment) =>
  subgraphs.map(({ name, variable, port }) => ({
    name,
    url: `http://127.0.0.1:${portIn(environment, variable, port)}/graphql`,
  }));
