// What a caller gets when a request is refused: the same codes as the services', as a GraphQL error that carries the
// problem details of RFC 9457.
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { GraphQLError } from 'graphql';
import { described, log } from './log.mjs';
import { faults } from './metrics.mjs';

const PROBLEM = 'application/problem+json';
const GRAPHQL = 'application/graphql-response+json';

/** A request that is refused. `more` goes into the error's extensions; headers into the answer. */
export class Refusal extends Error {
  constructor(status, code, detail, { more = {}, headers = {}, cost, instance } = {}) {
    super(detail);
    Object.assign(this, { status, code, detail, more, headers, cost, instance });
  }

  get problem() {
    const { code, status, detail, instance } = this;
    return { type: `urn:kith:problem:${code}`, code, title: STATUS_CODES[status], status, detail, instance };
  }

  /** `spec`: what is wrong with a document is 200 to who takes application/json only, as GraphQL over HTTP has it. */
  get graphqlError() {
    const http = { status: this.status, headers: this.headers, spec: this.status === 400 };
    return new GraphQLError(this.detail, {
      extensions: { code: this.code, ...this.more, problem: this.problem, http },
    });
  }

  get result() {
    return { errors: [this.graphqlError], ...(this.cost && { extensions: { cost: this.cost } }) };
  }
}

/** Logs an internal error, without its words, and returns the refusal to send: where to find it in the log. */
export function faultOf(error, kind, trace) {
  const id = randomUUID();
  faults.inc({ kind });
  log.error('fault', { id, kind, trace_id: trace, ...described(error) });
  const detail = `This is an internal error; it has been logged as ${id}.`;
  return new Refusal(500, 'internal', detail, { instance: `urn:uuid:${id}` });
}

/** Refuses a request before there is anything of GraphQL: in the form that the caller accepts. */
export function refuse(request, response, { status, code, detail, more, problem, headers }) {
  const accepts = request.headers.accept ?? '';
  const asProblem = accepts.includes(PROBLEM) || (request.headers['content-type'] ?? '').includes(PROBLEM);
  const type = asProblem ? PROBLEM : accepts.includes(GRAPHQL) ? GRAPHQL : 'application/json';
  const error = { message: detail, extensions: { code, ...more, problem } };
  const body = JSON.stringify(asProblem ? { ...problem, ...more } : { errors: [error] });
  const length = Buffer.byteLength(body);
  response.writeHead(status, { 'content-type': `${type}; charset=utf-8`, 'content-length': length, ...headers });
  response.end(body);
}
