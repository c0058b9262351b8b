import { count, seconds } from './settings.mjs';

// What one request may ask for, and what one process serves: the only list of it. Each can be set by the environment.
const DEFAULTS = {
  // Of a request
  KITH_GRAPHQL_BODY_BYTES: 256 * 1024,
  KITH_GRAPHQL_DOCUMENT_CHARACTERS: 32 * 1024,
  KITH_GRAPHQL_TOKENS: 2000,
  KITH_GRAPHQL_DEFINITIONS: 50,
  KITH_GRAPHQL_DEPTH: 15,
  KITH_GRAPHQL_FIELDS: 500,
  KITH_GRAPHQL_REPEATS: 40,
  KITH_GRAPHQL_ROOT_FIELDS: 30,
  KITH_GRAPHQL_ALIASES: 60,
  KITH_GRAPHQL_DIRECTIVES: 50,
  KITH_GRAPHQL_VARIABLES_DEPTH: 64,
  KITH_GRAPHQL_COST: 20_000,
  // Of a connection
  KITH_GATEWAY_HEADER_BYTES: 16 * 1024,
  KITH_GATEWAY_HEADERS: 100,
  KITH_GATEWAY_HEADER_SECONDS: 10,
  KITH_GATEWAY_REQUEST_SECONDS: 15,
  KITH_GATEWAY_IDLE_SECONDS: 60,
  KITH_GATEWAY_UPSTREAM_SECONDS: 10,
  KITH_LIVE_INIT_SECONDS: 5,
  KITH_LIVE_SUBSCRIPTIONS_PER_CONNECTION: 20,
  KITH_LIVE_MESSAGES_PER_SECOND: 100,
  // Of a process
  KITH_GATEWAY_CONNECTIONS: 2000,
  KITH_LIVE_CONNECTIONS: 1000,
  KITH_LIVE_CONNECTIONS_PER_TENANT: 200,
  KITH_GATEWAY_HEAP_MB: 512,
};

/** Raises an Error that names the setting which is not a positive number. */
export function limitsOf(environment) {
  return Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, usual]) => {
      const limit = (name.endsWith('_SECONDS') ? seconds : count)(environment, name, usual);
      return [camel(name.replace(/^KITH_(GRAPHQL|GATEWAY)_/, '').replace('KITH_', '')), limit];
    }),
  );
}

const camel = (name) => name.toLowerCase().replace(/_(.)/g, (_, letter) => letter.toUpperCase());

export const limits = limitsOf(process.env);
