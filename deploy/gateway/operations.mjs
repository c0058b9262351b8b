// What becomes of an operation in the gateway, over HTTP and WebSocket alike: it is admitted or refused before it is
// planned, and every error that leaves has one of Kith's codes.
import { GraphQLError } from 'graphql';
import { faultOf, Refusal } from './problems.mjs';
import * as metrics from './metrics.mjs';
import { extensionsOf } from './positions.mjs';
import { cutIn } from './upstream.mjs';

const CODE = /^[a-z]+(-[a-z]+)*$/;
const FLUSH_MILLISECONDS = 50;

export function admission(documents) {
  const admitted = new WeakMap();
  return {
    onParams({ params, request, context, setResult }) {
      try {
        const operation = documents().admit(params);
        if (operation.kind === 'mutation' && request.method === 'GET') {
          throw new Refusal(405, 'method-not-allowed', 'A mutation is sent by POST.', { headers: { allow: 'POST' } });
        }
        if (operation.kind === 'subscription' && context.res && !accepts(request, 'text/event-stream')) {
          throw new Refusal(406, 'not-acceptable', 'A subscription is answered as text/event-stream, or over a WebSocket.');
        }
        metrics.cost.observe(operation.cost);
        admitted.set(params, operation);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        metrics.refused.inc({ code: error.code, measure: error.more.measure ?? '' });
        setResult(error.result);
      }
    },
    // Read once, above: neither parsed nor validated again.
    onParse({ context, setParsedDocument }) {
      const operation = admitted.get(context.params);
      if (operation) setParsedDocument(operation.document);
    },
    onValidate({ context, setResult }) {
      if (admitted.has(context.params)) setResult([]);
    },
    onExecutionResult({ result, context, setResult }) {
      const operation = admitted.get(context.params);
      if (!result || !operation) return;
      if (Symbol.asyncIterator in result) {
        if (context.res) setResult(brokenOffWhenCut(result, context.res));
      } else {
        setResult(withHeaders(result, operation.cost, extensionsOf(context)));
      }
    },
  };
}

const accepts = (request, type) => (request.headers.get('accept') ?? '').includes(type);

/** Says what it may have cost, and when to come again if a subgraph had too many requests, or did not answer at all. */
function withHeaders(result, cost, more) {
  const waits = (result.errors ?? []).map(({ extensions }) => extensions?.retryAfter).filter(Number.isFinite);
  const headers = { 'kith-query-cost': String(cost), ...(waits.length > 0 && { 'retry-after': String(Math.max(...waits)) }) };
  const status = statusOf(result);
  return { ...result, extensions: { ...result.extensions, ...more, http: { headers, ...(status && { status }) } } };
}

/** The status of an answer without any data, because all subgraphs said so. Any data makes it 200. */
function statusOf({ data, errors }) {
  if (!errors?.length || Object.values(data ?? {}).some((each) => each !== null)) return undefined;
  const statuses = new Set(errors.map(({ extensions }) => STATUS[extensions?.code]));
  return statuses.size === 1 ? [...statuses][0] : undefined;
}

const STATUS = { 'too-many-requests': 429, unavailable: 503 };

/**
 * Server-sent events. A cut is reported and the connection broken off, without the "complete" that says it was all:
 * clients take that for a network error, and subscribe again.
 */
function brokenOffWhenCut(events, response) {
  const iterator = events[Symbol.asyncIterator]();
  let isCut = false;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (isCut) {
        setTimeout(() => response.socket?.destroySoon(), FLUSH_MILLISECONDS);
        return new Promise((resolve) => response.once('close', () => resolve({ done: true, value: undefined })));
      }
      const next = await iterator.next();
      isCut = cutIn(next.value) !== undefined;
      return next;
    },
    async return(value) {
      return iterator.return?.(value) ?? { done: true, value };
    },
    async throw(error) {
      return iterator.throw?.(error) ?? Promise.reject(error);
    },
  };
}

/** A variable that does not fit its type, say. */
const isOfGraphQL = (error) =>
  error instanceof GraphQLError && (error.originalError === undefined || isOfGraphQL(error.originalError));

/** Returns what leaves: an error with one of Kith's codes as it is, all else as an internal error, logged by its kind. */
export function maskError(error) {
  const { code, position, ...more } = error?.extensions ?? {};
  if (error instanceof GraphQLError && CODE.test(code ?? '')) {
    return position ? new GraphQLError(error.message, { path: position, extensions: { code, ...more } }) : error;
  }
  const { message, nodes, source, positions, path, originalError } = error ?? {};
  if (isOfGraphQL(error)) {
    return new GraphQLError(message, { nodes, source, positions, path, extensions: { code: 'invalid-query' } });
  }
  const { code: internal, detail, problem } = faultOf(originalError ?? error, 'operation');
  return new GraphQLError(detail, { nodes, path, extensions: { code: internal, problem } });
}
