import { settings } from './settings.mjs';

const OF_A_LIMIT = /^KITH_(GRAPHQL|GATEWAY|LIVE)_/;
const camel = (name) => name.toLowerCase().replace(/_(.)/g, (_, letter) => letter.toUpperCase());

/** What one request may ask for, and what one process serves: `KITH_GRAPHQL_BODY_BYTES` is `limits.bodyBytes`. */
export const limits = Object.fromEntries(
  Object.entries(settings)
    .filter(([name]) => OF_A_LIMIT.test(name))
    .map(([name, limit]) => [camel(name.replace(/^KITH_(GRAPHQL|GATEWAY)_/, '').replace('KITH_', '')), limit]),
);
