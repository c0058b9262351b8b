// How the subgraphs are queried, and how one that does not answer is reported: which one, and by the path of the error
// what is missing for it. All else of the answer comes all the same.
import http from '@graphql-mesh/transport-http';
import { GraphQLError, Kind } from 'graphql';
import { limits } from './limits.mjs';
import { log, traceOf } from './log.mjs';
import { subgraphErrors } from './metrics.mjs';
import { subgraphsIn } from './subgraphs.mjs';
import { upstream } from './upstream.mjs';

const PROBLEM = 'application/problem+json';
// What the executor says of an answer that is none, or did not come.
const NO_ANSWER = new Set(['SUBREQUEST_HTTP_ERROR', 'RESPONSE_VALIDATION_FAILED']);

export const transports = {
  http: {
    getSubgraphExecutor(payload) {
      const execute = http.getSubgraphExecutor(payload);
      const service = payload.transportEntry.options.service;
      return async (request) => {
        let result;
        try {
          result = await execute(request);
        } catch (error) {
          return { errors: [unavailable(service, request, error)] };
        }
        if (!result?.errors) return result;
        const errors = result.errors.map((error) => errorOf(error, service, request));
        return { ...result, errors: result.data == null ? errorsOfEach(errors, request) : errors };
      };
    },
  },
  ws: upstream,
};

/** Where each subgraph is. Over SSE its events would arrive as a silent empty stream: WebSocket it is. */
export const transportEntries = (settings) =>
  Object.fromEntries(
    subgraphsIn(settings).map(({ name, url }) => [
      name,
      {
        location: url,
        options: {
          service: name,
          timeout: 1000 * limits.upstreamSeconds,
          subscriptions: { kind: 'ws', location: new URL(url).pathname },
        },
      },
    ]),
  );

/** A subgraph that refuses a whole request answers problem+json: it is heard, and when to come again. */
export const hearProblems = {
  onFetch: () => async ({ response, setResponse }) => {
    if (!response.headers.get('content-type')?.startsWith(PROBLEM)) return;
    const problem = await response.json();
    const { type = '', title, detail = title } = problem;
    const retryAfter = Number(response.headers.get('retry-after')) || undefined;
    const extensions = { code: type.split(':').at(-1), problem, ...(retryAfter && { retryAfter }) };
    setResponse(Response.json({ errors: [{ message: detail, extensions }] }));
  },
};

function errorOf(error, service, request) {
  const { code } = error.extensions ?? {};
  if (error.originalError || NO_ANSWER.has(code) || error.name === 'AbortError') return unavailable(service, request, error);
  return new GraphQLError(error.message, {
    nodes: error.nodes,
    path: error.path,
    extensions: { ...error.extensions, service },
  });
}

// How a field is named that the gateway asks for together with others.
const MERGED = /^_v\d+_/;

/**
 * A field that may not be null takes all others of its request with it, and the subgraph says nothing of them. They fail
 * for the same reason, which is reported where it came up, at `position`: else that they are null would seem an internal
 * error.
 */
function errorsOfEach(errors, { document, info }) {
  const cause = errors.find(({ path }) => MERGED.test(path?.[0]));
  if (cause === undefined) return errors;
  const keys = rootFields(document.definitions[0]).map(({ key }) => key);
  const reported = new Set(errors.map(({ path }) => path?.[0]));
  const extensions = { ...cause.extensions, position: positionOf(cause.path, keys, info) };
  const missing = keys.filter((key) => !reported.has(key));
  const more = missing.map((key) => new GraphQLError(cause.message, { path: [key], extensions }));
  return [...errors, ...more];
}

/** Where a caller finds a field: by its alias. Fields of one name come in the order in which they were selected. */
function positionOf([first, ...rest], keys, info) {
  const plain = (key) => key.replace(MERGED, '');
  const same = keys.filter((key) => plain(key) === plain(first));
  const selected = rootFields(info.operation, info.fragments).filter(({ name }) => name === plain(first));
  const positions = [...new Set(selected.map(({ key }) => key))];
  return positions.length === same.length ? [positions[same.indexOf(first)], ...rest] : undefined;
}

function rootFields({ selectionSet }, fragments = {}) {
  return selectionSet.selections.flatMap((each) => {
    if (each.kind !== Kind.FIELD) return rootFields(fragments[each.name?.value] ?? each, fragments);
    return { key: (each.alias ?? each.name).value, name: each.name.value };
  });
}

function unavailable(service, request, error) {
  // The client has gone: nobody gets the answer, and nothing is wrong.
  if (!request.signal?.aborted) {
    subgraphErrors.inc({ subgraph: service });
    const status = error.extensions?.response?.status;
    log.warning('subgraph does not answer', { service, status, trace_id: traceOf(request.extensions?.headers?.traceparent) });
  }
  return new GraphQLError(`${service} does not answer now; try again.`, { extensions: { code: 'unavailable', service, retryAfter: 1 } });
}
