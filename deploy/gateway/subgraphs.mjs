// Which subgraphs there are, and where each listens: one list for composing and for serving.
const SUBGRAPHS = ['contacts', 'sales', 'service-desk', 'analytics'];

/** By the gateway's settings; by the defaults, it is what the committed supergraph holds. */
export const subgraphsIn = (settings) =>
  SUBGRAPHS.map((name) => {
    const variable = name.toUpperCase().replace('-', '_');
    const base = settings[`KITH_URL_${variable}`] ?? `http://127.0.0.1:${settings[`KITH_PORT_${variable}`]}`;
    return { name, url: `${base}/graphql` };
  });
